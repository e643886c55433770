"""`thing[key]`: reads and writes."""

from __future__ import annotations

import ast

from . import environment, expressions
from .frame import Frame
from .values import (
    UNKNOWN,
    Alt,
    Const,
    DictItem,
    ListItem,
    MethodItem,
    ObjectItem,
    Ref,
    Value,
    literal,
    merge,
    of,
    under,
)

MAX_CHOICES = 8


def read(frame: Frame, base: Value, node: ast.Subscript) -> Value:
    """The value of a subscript expression."""
    key = None if isinstance(node.slice, ast.Slice) else expressions.evaluate(frame, node.slice)
    if isinstance(node.slice, ast.Slice):
        expressions.evaluate(frame, node.slice)
    results: list[Value] = []
    for alt in base:
        got = _read_one(frame, alt, key, node)
        results.append(
            tuple(Alt(a.item, a.site, a.guard | alt.guard, a.soft or alt.soft) for a in got)
        )
    return merge(*results) or UNKNOWN


def _read_one(frame: Frame, alt: Alt, key: Value | None, node: ast.Subscript) -> Value:
    item = alt.item
    known = literal(key) if key is not None else None
    if isinstance(item, DictItem):
        if isinstance(known, (str, int)):
            found = tuple(a for a in item.get(known, frame.path)) or UNKNOWN
            return chosen(found, key, node.slice)
        return _looked_up(item, node)
    if isinstance(item, ListItem):
        return _from_list(frame, item, known, node)
    if isinstance(item, ObjectItem):
        return _from_object(alt, item, known, node)
    if isinstance(item, Ref) and item.name == "os.environ" and isinstance(known, str):
        return environment.read(frame, known)
    if isinstance(item, Const) and isinstance(item.value, str) and isinstance(known, int):
        return UNKNOWN
    if isinstance(item, MethodItem):
        return of(MethodItem(item, "[]"), frame.site(node))
    return UNKNOWN


def chosen(found: Value, key: Value | None, written: ast.AST) -> Value:
    """What a table holds for a key that comes from elsewhere: the choice was made there."""
    place = key[0].site if key else None
    if place is None or place.node is written:
        return found
    return tuple(Alt(a.item, place, a.guard, a.soft or key[0].soft) for a in found)  # type: ignore[index]


def _looked_up(item: DictItem, node: ast.Subscript) -> Value:
    """Any entry, each under the condition that its key was asked for."""
    if item.open or not 0 < len(item.entries) <= MAX_CHOICES:
        return UNKNOWN
    lookup = ("lookup", id(node))
    return merge(*(under(v, frozenset({(lookup, key, True)})) for key, v in item.entries.items()))


def _from_list(frame: Frame, item: ListItem, known: object, node: ast.Subscript) -> Value:
    if isinstance(node.slice, ast.Slice):
        lower, upper = (_bound(frame, part) for part in (node.slice.lower, node.slice.upper))
        if item.exact and node.slice.step is None and lower is not False and upper is not False:
            return of(ListItem(item.elements[lower:upper], True), frame.site(node))
        return of(ListItem(item.elements[:4], False), frame.site(node))
    if isinstance(known, int) and item.exact and -len(item.elements) <= known < len(item.elements):
        return item.elements[known]
    return merge(*item.elements[:4]) if item.elements else UNKNOWN


def _bound(frame: Frame, part: ast.expr | None) -> int | bool | None:
    if part is None:
        return None
    value = literal(expressions.evaluate(frame, part), False)
    return value if isinstance(value, int) else False


def slices_off_start(node: ast.expr) -> bool:
    """Whether an index expression cuts a beginning away: `[:, n:]`, `[n:]`, `[0, n:]`."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(
        isinstance(part, ast.Slice)
        and part.lower is not None
        and not (isinstance(part.lower, ast.Constant) and part.lower.value in (0, None))
        for part in parts
    )


def _from_object(alt: Alt, item: ObjectItem, known: object, node: ast.Subscript) -> Value:
    if item.kind == "output":
        if isinstance(known, str) and known != "sequences":
            return UNKNOWN
        return of(ObjectItem("trimmed", data=item.data)) if slices_off_start(node.slice) else (alt,)
    if item.kind == "decoded":
        if isinstance(node.slice, ast.Slice):
            item.data.result.attributes["cut"] = of(Const(True))
        return (alt,)
    if item.kind == "vision":
        from .iteration import element

        return element((alt,), known, 3) if isinstance(known, int) and 0 <= known < 3 else UNKNOWN
    if item.kind == "tensor":
        item.attributes.setdefault("slices", of(ListItem()))
        return (alt,)
    if item.kind in ("inputs", "forward") and isinstance(known, str):
        return of(MethodItem(item, known))
    return UNKNOWN


def write(frame: Frame, target: ast.Subscript, value: Value) -> None:
    """`base[key] = value`."""
    base = expressions.evaluate(frame, target.value)
    key = (
        None
        if isinstance(target.slice, ast.Slice)
        else literal(expressions.evaluate(frame, target.slice))
    )
    for alt in base:
        item = alt.item
        if isinstance(item, DictItem):
            if isinstance(key, (str, int)):
                expressions.set_key(frame, item, key, value, target)
            else:
                item.open = True
        elif isinstance(item, Ref) and item.name == "os.environ":
            if isinstance(key, str):
                environment.write(frame, key, value, target)
        elif isinstance(item, ObjectItem) and item.kind == "inputs":
            item.attributes["moved"] = UNKNOWN
        elif isinstance(item, ListItem):
            if (
                item.exact
                and isinstance(key, int)
                and -len(item.elements) <= key < len(item.elements)
            ):
                item.elements[key] = merge(value)
            else:
                item.add([value])
