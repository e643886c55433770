"""Expressions to values, and stores into targets."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from . import attributes, calls, iteration, operators, subscripts, truth
from .events import SetAttribute
from .frame import BudgetExceeded, Frame
from .values import (
    MAX_ELEMENTS,
    UNKNOWN,
    Absent,
    Alt,
    Const,
    DictItem,
    ListItem,
    ObjectItem,
    Value,
    const,
    literal,
    merge,
    of,
    on_path,
    overwrite,
    text_of,
)

CLOSED = {"inputs", "vision_video_kwargs"}
"""Objects whose keys can be none of those that a program gives by hand."""


def evaluate(frame: Frame, node: ast.expr) -> Value:
    """The value of an expression on the current path."""
    world = frame.world
    world.steps += 1
    if world.steps > world.limit:
        raise BudgetExceeded
    handler = _HANDLERS.get(type(node))
    if handler is None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                evaluate(frame, child)
        return UNKNOWN
    return handler(frame, node) or UNKNOWN


def _constant(frame: Frame, node: ast.Constant) -> Value:
    return const(node.value, frame.site(node))


def _name(frame: Frame, node: ast.Name) -> Value:
    found = frame.lookup(node.id)
    if found is not None:
        return found
    return of(attributes.builtin(node.id))


def _attribute(frame: Frame, node: ast.Attribute) -> Value:
    return attributes.read(frame, evaluate(frame, node.value), node.attr, node)


def _subscript(frame: Frame, node: ast.Subscript) -> Value:
    return subscripts.read(frame, evaluate(frame, node.value), node)


def _call(frame: Frame, node: ast.Call) -> Value:
    return calls.evaluate_call(frame, node)


def _sequence(frame: Frame, node: ast.List | ast.Tuple | ast.Set) -> Value:
    result = ListItem(is_tuple=isinstance(node, ast.Tuple))
    for number, element in enumerate(node.elts):
        if number >= MAX_ELEMENTS:
            result.exact = False
            break
        if isinstance(element, ast.Starred):
            inner = evaluate(frame, element.value)
            known = [a.item for a in inner if isinstance(a.item, ListItem)]
            if len(known) == len(inner) == 1 and known[0].exact:
                result.add(list(known[0].elements))
            else:
                result.exact = False
                result.elements.append(UNKNOWN)
        else:
            result.elements.append(evaluate(frame, element))
    return of(result, frame.site(node))


def _dict(frame: Frame, node: ast.Dict) -> Value:
    result = DictItem()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(frame, value_node)
        if key_node is None:
            spread(frame, result, value)
            continue
        key = evaluate(frame, key_node)
        name = literal(key)
        if isinstance(name, (str, int)):
            result.entries[name] = value
            result.keys[name] = frame.site(key_node)
        else:
            result.open = True
    return of(result, frame.site(node))


def spread(frame: Frame, into: DictItem, value: Value) -> None:
    """Merge `**value` into a dict, on the current path."""
    for alt in value:
        guard = alt.guard | frame.path
        if isinstance(alt.item, ListItem):
            for pair in alt.item.elements:
                for inner in (
                    a.item
                    for a in pair
                    if isinstance(a.item, ListItem) and len(a.item.elements) == 2
                ):
                    name = literal(inner.elements[0])
                    if name is not None:
                        into.entries[name] = overwrite(
                            into.entries.get(name, _missing(into)), inner.elements[1], guard
                        )
            into.open = into.open or not alt.item.exact
            continue
        if isinstance(alt.item, Const) and alt.item.value is None:
            continue
        if not isinstance(alt.item, DictItem):
            known = isinstance(alt.item, ObjectItem) and alt.item.kind in CLOSED
            into.open = into.open or not known
            into.spreads.append((alt,))
            continue
        into.spreads.extend(alt.item.spreads)
        own = guard if len(value) > 1 else frame.path
        for key, entry in alt.item.entries.items():
            old = into.entries.get(key, _missing(into))
            present = tuple(a for a in entry if not isinstance(a.item, Absent))
            absent = tuple(a for a in entry if isinstance(a.item, Absent))
            new = overwrite(old, present, own) if not absent and own else None
            if new is None:
                kept = tuple(
                    Alt(o.item, o.site, o.guard | a.guard, o.soft) for a in absent for o in old
                )
                new = merge(present, kept) if not own else overwrite(old, merge(present, kept), own)
            into.entries[key] = new
            if key in alt.item.keys:
                into.keys[key] = alt.item.keys[key]
        into.open = into.open or alt.item.open


def _missing(item: DictItem) -> Value:
    return UNKNOWN if item.open else (Alt(Absent()),)


def set_key(frame: Frame, item: DictItem, key: Any, value: Value, node: ast.AST) -> None:
    """`item[key] = value` on the current path."""
    item.entries[key] = overwrite(item.entries.get(key, _missing(item)), value, frame.path)
    item.keys[key] = frame.site(node)


def _joined(frame: Frame, node: ast.JoinedStr) -> Value:
    pieces: list[str | None] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            pieces.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            inner = evaluate(frame, part.value)
            text = literal(inner)
            if text is not None and part.format_spec is None and not isinstance(text, bytes):
                pieces.append(str(text))
            else:
                known = text_of(inner[0].item) if len(inner) == 1 else None
                pieces.extend([known] if known and "\0" not in known else [None])
    return of(operators.string(pieces), frame.site(node))


def _conditional(frame: Frame, node: ast.IfExp) -> Value:
    (key, arm, sign), known = truth.condition(frame, node.test)
    path, tests = frame.path, frame.tests
    results: list[Value] = []
    for taken, branch in ((True, node.body), (False, node.orelse)):
        extended = frame.with_literal((key, arm, sign is taken))
        if extended is None or known is (not taken):
            continue
        frame.path = extended if known is None else path
        frame.tests = (*tests, str(key)[:200])
        value = evaluate(frame, branch)
        frame.path, frame.tests = path, tests
        results.append(
            value
            if known is not None
            else tuple(
                Alt(a.item, a.site, a.guard | {(key, arm, sign is taken)}, a.soft) for a in value
            )
        )
    return merge(*results) or UNKNOWN


def _lambda(frame: Frame, node: ast.Lambda) -> Value:
    return of(calls.define(frame, node), frame.site(node))


def _walrus(frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(frame, node.value)
    store(frame, node.target, value)
    return value


def _awaited(frame: Frame, node: ast.Await | ast.YieldFrom) -> Value:
    return evaluate(frame, node.value)


def _yielded(frame: Frame, node: ast.Yield) -> Value:
    if node.value is not None:
        frame.yields.append(evaluate(frame, node.value))
    return UNKNOWN


def _starred(frame: Frame, node: ast.Starred) -> Value:
    return evaluate(frame, node.value)


def _slice(frame: Frame, node: ast.Slice) -> Value:
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            evaluate(frame, part)
    return UNKNOWN


def _comprehension(frame: Frame, node: Any) -> Value:
    return iteration.comprehension(frame, node)


def store(frame: Frame, target: ast.expr, value: Value) -> None:
    """Assign `value` to a name, attribute, subscript or pattern."""
    if isinstance(target, ast.Name):
        frame.assign(target.id, value)
    elif isinstance(target, ast.Attribute):
        attributes.write(frame, evaluate(frame, target.value), target.attr, value, target)
    elif isinstance(target, ast.Subscript):
        subscripts.write(frame, target, value)
    elif isinstance(target, ast.Starred):
        store(frame, target.value, UNKNOWN)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for number, element in enumerate(target.elts):
            store(frame, element, iteration.element(value, number, len(target.elts)))


def set_attribute(frame: Frame, item: ObjectItem, name: str, value: Value, node: ast.AST) -> None:
    """Record and apply `item.name = value`."""
    item.attributes[name] = overwrite(item.attributes.get(name), value, frame.path)
    frame.emit(
        SetAttribute(frame.site(node), what=item, name=name, value=on_path(value, frame.path))
    )


_HANDLERS: dict[type, Callable[[Frame, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.BinOp: operators.binary_operation,
    ast.UnaryOp: operators.unary,
    ast.BoolOp: operators.boolean,
    ast.Compare: operators.comparison,
    ast.IfExp: _conditional,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.Await: _awaited,
    ast.YieldFrom: _awaited,
    ast.Yield: _yielded,
    ast.Starred: _starred,
    ast.Slice: _slice,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
}
