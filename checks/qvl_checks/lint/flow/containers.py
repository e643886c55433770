"""Methods of strings, dicts, lists and of what process_vision_info returns."""

from __future__ import annotations

import ast

from . import expressions, operators
from .events import Keep
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    Const,
    DictItem,
    Item,
    ListItem,
    ObjectItem,
    Text,
    Unknown,
    Value,
    const,
    items_of,
    literal,
    merge,
    of,
    soften,
    text_of,
)


def call(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """The value of a container method, or None if the receiver is no container."""
    if isinstance(receiver, DictItem):
        return _dict(frame, receiver, name, args, keywords, node)
    if isinstance(receiver, ListItem):
        return _list(frame, receiver, name, args, node)
    if text_of(receiver) is not None:
        return _text(frame, receiver, name, args, keywords, node)
    if name in ("append", "extend", "add") and frame.loops and args:
        frame.emit(Keep(frame.site(node), value=args[0]))
        return None
    if isinstance(receiver, ObjectItem) and receiver.kind == "prompt":
        return of(receiver) if name in ("strip", "rstrip") else UNKNOWN
    return None


def _dict(
    frame: Frame, item: DictItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    key = literal(args[0]) if args else None
    hashable = isinstance(key, (str, int))
    if name == "update":
        for value in args:
            expressions.spread(frame, item, value)
        expressions.spread(frame, item, of(keywords))
        return const(None)
    if name == "get" and hashable:
        found = item.get(key, frame.path)
        default = args[1] if len(args) > 1 else const(None)
        if key not in item.entries and item.open:
            return merge(UNKNOWN, soften(default)) if len(args) > 1 else UNKNOWN
        return merge(
            *(
                default if a.item is ABSENT[0].item or a.item == ABSENT[0].item else (a,)
                for a in found
            )
        )
    if name == "setdefault" and hashable and len(args) > 1:
        if key not in item.entries and not item.open:
            expressions.set_key(frame, item, key, args[1], node)
        return item.get(key, frame.path)
    if name == "pop" and hashable:
        found = item.get(key, frame.path)
        if not frame.path:
            item.entries.pop(key, None)
        elif key in item.entries:
            expressions.set_key(frame, item, key, ABSENT, node)
        given = tuple(a for a in found if a.item != ABSENT[0].item)
        if len(args) > 1 and all(isinstance(a.item, Unknown) for a in given):
            return merge(given, soften(args[1]))
        return given or UNKNOWN
    if name in ("copy", "__copy__"):
        copy = DictItem(dict(item.entries), dict(item.keys), item.open)
        copy.spreads = list(item.spreads)
        return of(copy)
    if name == "items" and not item.open:
        pairs = [
            of(ListItem([const(k, item.keys.get(k)), v], True, True))
            for k, v in item.entries.items()
        ]
        return of(ListItem(pairs, True))
    if name == "values" and not item.open:
        return of(ListItem(list(item.entries.values())))
    if name == "keys" and not item.open:
        return of(ListItem([const(k, item.keys.get(k)) for k in item.entries]))
    if name == "to" and item.spreads:
        return of(item)
    return UNKNOWN


def _list(frame: Frame, item: ListItem, name: str, args: list[Value], node: ast.AST) -> Value:
    if name in ("append", "add", "appendleft") and args:
        if frame.loops:
            frame.emit(Keep(frame.site(node), value=args[0]))
            item.exact = False
        elif frame.path:
            item.exact = False
        item.add([args[0]])
        return const(None)
    if name == "extend" and args:
        if frame.loops:
            frame.emit(Keep(frame.site(node), value=args[0]))
        more = items_of(args[0], ListItem)
        item.exact = item.exact and len(more) == 1 and more[0].exact and not frame.loops
        for other in more[:1]:
            item.add(list(other.elements))
        return const(None)
    if name == "insert" and len(args) > 1:
        item.elements.insert(0 if literal(args[0]) == 0 else len(item.elements), args[1])
        item.add([])
        return const(None)
    if name == "clear":
        item.elements.clear()
        return const(None)
    if name == "copy":
        return of(ListItem(list(item.elements), item.exact, item.is_tuple))
    if name == "pop":
        item.exact = False
    return UNKNOWN


def _text(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    text = text_of(receiver) or ""
    constant = isinstance(receiver, Const)
    if name == "format":
        pieces: list[str | None] = []
        for number, piece in enumerate(_holes(text)):
            pieces.extend([None, piece] if number else [piece])
        return of(Text(tuple(pieces)), frame.site(node))
    if name in ("strip", "rstrip", "lstrip", "lower", "upper") and not args and constant:
        return const(getattr(text, name)(), frame.site(node))
    if name in ("startswith", "endswith") and args and constant:
        wanted = literal(args[0])
        if isinstance(wanted, str):
            return const(getattr(text, name)(wanted))
        return UNKNOWN
    if name == "join" and args:
        found = items_of(args[0], ListItem)
        if (
            len(found) == 1
            and found[0].exact
            and all(text_of(a.item) for e in found[0].elements for a in e[:1])
        ):
            parts = [text_of(e[0].item) for e in found[0].elements]
            return of(Text((text.join(p or "" for p in parts),)))
        return of(operators.string(_between_holes(found)), frame.site(node))
    if name == "replace" and constant and len(args) > 1:
        old, new = literal(args[0]), literal(args[1])
        if isinstance(old, str) and isinstance(new, str) and old:
            return const(text.replace(old, new)[: operators.MAX_TEXT], frame.site(node))
        return of(Text((text, None)))
    return UNKNOWN


def _between_holes(lists: list[ListItem]) -> list[str | None]:
    """What is known of the parts of a joined list, with a hole wherever more may stand."""
    if len(lists) != 1:
        return [None]
    pieces: list[str | None] = [None]
    for element in lists[0].elements:
        text = text_of(element[0].item) if len(element) == 1 else None
        for part in (text or "").split("\0"):
            pieces += [part, None]
    return pieces


def _holes(text: str) -> list[str]:
    """The literal parts between `{}` fields."""
    parts, current, depth = [], "", 0
    for char in text:
        if char == "{":
            depth += 1
            if depth == 1:
                parts.append(current)
                current = ""
        elif char == "}" and depth:
            depth -= 1
        elif not depth:
            current += char
    return [*parts, current]
