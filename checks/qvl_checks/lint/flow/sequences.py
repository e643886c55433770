"""Sequences and iterators of the standard library."""

from __future__ import annotations

import ast
from itertools import product

from . import calls, iteration
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    ListItem,
    ObjectItem,
    Value,
    const,
    items_of,
    merge,
    of,
)

MAX_ROUNDS = 16


def first(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The first argument as it is: wrappers of iterables."""
    return args[0] if args else keywords.get("iterable")


def list_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`list(x)`, `tuple(x)`, `set(x)`."""
    if not args:
        return of(ListItem(), frame.site(node))
    if all(isinstance(a.item, ListItem) for a in args[0]) and len(args[0]) == 1:
        item = items_of(args[0], ListItem)[0]
        return of(
            ListItem(list(item.elements), item.exact, at_most_one=item.at_most_one),
            frame.site(node),
        )
    kept = [a for a in args[0] if isinstance(a.item, ObjectItem)]
    return tuple(kept) or of(ListItem([UNKNOWN], exact=False), frame.site(node))


def zip_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """Rows of several columns."""
    columns = [iteration.elements(frame, value) for value in args]
    exact = bool(columns) and all(known for _, known in columns)
    length = min((len(values) for values, _ in columns), default=0)
    if exact:
        rows = [
            of(ListItem([values[n] for values, _ in columns], True, True)) for n in range(length)
        ]
        return of(ListItem(rows, True))
    row = ListItem([merge(*values[:4]) if values else UNKNOWN for values, _ in columns], True, True)
    return of(ListItem([of(row)], exact=False))


def enumerate_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """Numbers and elements."""
    values, exact = iteration.elements(frame, args[0]) if args else ([], False)
    rows = [
        of(ListItem([const(n) if exact else UNKNOWN, v], True, True)) for n, v in enumerate(values)
    ]
    return of(ListItem(rows, exact))


def range_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """Numbers that are not followed."""
    return of(ListItem([UNKNOWN], exact=False))


def len_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The length, where it is known."""
    lists = items_of(args[0], ListItem) if args else []
    if len(lists) == 1 and len(args[0]) == 1 and lists[0].exact:
        return const(len(lists[0].elements), frame.site(node))
    return UNKNOWN


def map_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The function runs on every element."""
    if len(args) < 2:
        return UNKNOWN
    values, _ = iteration.elements(frame, args[1])
    frame.loops += 1
    result = calls.call(
        frame, args[0], [merge(*values[:4]) if values else UNKNOWN], DictItem(), node
    )
    frame.loops -= 1
    return of(ListItem([result], exact=False))


def with_key(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """max, min, sorted: the key function runs on every element."""
    if "key" in keywords.entries and args:
        frame.loops += 1
        values, _ = iteration.elements(frame, args[0]) if len(args) == 1 else (args, True)
        one = merge(*values[:4]) if values else UNKNOWN
        calls.call(frame, keywords.entries["key"], [one], DictItem(), node)
        frame.loops -= 1
    return UNKNOWN


def sorted_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The key function runs, the elements stay."""
    with_key(frame, args, keywords, node)
    return list_(frame, args, keywords, node)


def unknown_list(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A list of unknown things."""
    return of(ListItem([UNKNOWN], exact=False), frame.site(node))


def next_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The first element."""
    values, _ = iteration.elements(frame, args[0]) if args else ([], False)
    return values[0] if values else UNKNOWN


def product_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """Every combination."""
    columns = [iteration.elements(frame, value) for value in args]
    size = 1
    for values, _ in columns:
        size *= len(values)
    if not size or size > MAX_ROUNDS:
        row = [merge(*values[:4]) if values else UNKNOWN for values, _ in columns]
        return of(ListItem([of(ListItem(row, True, True))], exact=False))
    rows = [of(ListItem(list(row), True, True)) for row in product(*(v for v, _ in columns))]
    return of(ListItem(rows, all(known for _, known in columns)))


def chain_(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """One after the other."""
    joined = ListItem()
    for value in args:
        values, known = iteration.elements(frame, value)
        joined.add(values)
        joined.exact = joined.exact and known
    return of(joined)
