"""Operators: arithmetic, texts, comparisons, and, or, not."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from . import expressions
from .frame import Frame
from .values import (
    MAX_ELEMENTS,
    UNKNOWN,
    Alt,
    Const,
    DictItem,
    Item,
    ListItem,
    Text,
    Value,
    literal,
    merge,
    of,
    text_of,
)

MAX_TEXT = 4_000
FIELD = re.compile(r"%(?:\(\w+\))?[-+ #0]*[\d*]*(?:\.\d+)?[a-zA-Z]")


def string(pieces: list[str | None]) -> Item:
    """A string item from pieces, None for holes."""
    if sum(len(piece or "") for piece in pieces) > MAX_TEXT:
        return Text((None,))
    if all(piece is not None for piece in pieces):
        return Const("".join(piece or "" for piece in pieces)[:MAX_TEXT])
    return Text(tuple(pieces))


_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def binary_operation(frame: Frame, node: ast.BinOp) -> Value:
    """`left op right`."""
    return binary(
        frame, node, expressions.evaluate(frame, node.left), expressions.evaluate(frame, node.right)
    )


def binary(frame: Frame, node: ast.BinOp, left: Value, right: Value) -> Value:
    """The result of an operator on two values."""
    results: list[Alt] = []
    for a in left[:8]:
        for b in right[:8]:
            item = _combine(frame, node, a.item, b.item)
            if item is not None:
                soft = a.soft or b.soft
                # The bare number or string belongs to where the expression stands.
                results.append(Alt(item, frame.site(node), a.guard | b.guard, soft))
            else:
                return UNKNOWN
    return merge(tuple(results)) or UNKNOWN


def _combine(frame: Frame, node: ast.BinOp, left: Item, right: Item) -> Item | None:
    if isinstance(node.op, ast.BitOr) and isinstance(left, DictItem):
        result = DictItem(dict(left.entries), dict(left.keys), left.open)
        expressions.spread(frame, result, of(right))
        return result
    if isinstance(node.op, ast.Add) and isinstance(left, ListItem) and isinstance(right, ListItem):
        joined = ListItem(list(left.elements), left.exact and right.exact, left.is_tuple)
        joined.add(right.elements)
        return joined
    if isinstance(node.op, ast.Mult) and isinstance(left, ListItem):
        times = right.value if isinstance(right, Const) else None
        if isinstance(times, int) and 0 <= times * len(left.elements) <= MAX_ELEMENTS:
            return ListItem(left.elements * times, left.exact, left.is_tuple)
        return ListItem(list(left.elements), False, left.is_tuple)
    if isinstance(node.op, ast.Mod) and isinstance(left, Const) and isinstance(left.value, str):
        return Text(_fields(left.value))
    if isinstance(left, Const) and isinstance(right, Const):
        return _arithmetic(node.op, left.value, right.value)
    if isinstance(node.op, (ast.Add, ast.Div)):
        first, second = text_of(left), text_of(right)
        if len(first or "") + len(second or "") > MAX_TEXT:
            return Text((None,))
        if first is not None or second is not None:
            return Text((first, "/", second) if isinstance(node.op, ast.Div) else (first, second))
    return None


def _arithmetic(op: ast.operator, left: Any, right: Any) -> Item | None:
    if isinstance(left, str) and isinstance(op, ast.Div) and isinstance(right, str):
        return Const(f"{left}/{right}"[:MAX_TEXT])
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    texts = isinstance(left, str) and isinstance(right, str) and isinstance(op, ast.Add)
    function = _ARITHMETIC.get(type(op))
    if isinstance(op, ast.Pow) and numbers and abs(left) < 1e6 and 0 <= right < 16:
        return Const(left**right)
    if function is None or not (numbers or texts):
        return None
    if numbers and (abs(left) > 1e15 or abs(right) > 1e15):
        return None
    try:
        result = function(left, right)
    except (ArithmeticError, ValueError):
        return None
    return Const(result[:MAX_TEXT] if isinstance(result, str) else result)


def _fields(template: str) -> tuple[str | None, ...]:
    """The parts of a printf-style template around its fields."""
    pieces: list[str | None] = []
    for number, part in enumerate(FIELD.split(template)):
        pieces += [None, part] if number else [part]
    return tuple(pieces)


def unary(frame: Frame, node: ast.UnaryOp) -> Value:
    """`op operand`."""
    value = expressions.evaluate(frame, node.operand)
    known = literal(value)
    soft = any(alt.soft for alt in value)
    if (
        isinstance(node.op, ast.Not)
        and all(isinstance(a.item, Const) for a in value)
        and known is not None
    ):
        return (Alt(Const(not known), frame.site(node), soft=soft),)
    if isinstance(node.op, ast.USub) and isinstance(known, (int, float)):
        return (Alt(Const(-known), frame.site(node), soft=soft),)
    return UNKNOWN


def boolean(frame: Frame, node: ast.BoolOp) -> Value:
    """`a and b`, `a or b`."""
    is_or = isinstance(node.op, ast.Or)
    results: list[Alt] = []
    tests = frame.tests
    for number, part in enumerate(node.values):
        before = node.values[:number]
        frame.tests = (*tests, *(frame.module.written(other)[:200] for other in before))
        value = expressions.evaluate(frame, part)
        frame.tests = tests
        last = number == len(node.values) - 1
        for alt in value:
            constant = isinstance(alt.item, Const)
            truth = bool(alt.item.value) if isinstance(alt.item, Const) else None
            if last or not constant or truth is is_or or alt.soft:
                results.append(alt)
        if (
            not last
            and value
            and all(
                isinstance(a.item, Const) and not a.soft and bool(a.item.value) is is_or
                for a in value
            )
        ):
            break
        if (
            not last
            and is_or
            and value
            and all(isinstance(a.item, Const) and not a.item.value for a in value)
        ):
            results = [alt for alt in results if alt not in value]
    return merge(tuple(results)) or UNKNOWN


def comparison(frame: Frame, node: ast.Compare) -> Value:
    """`a op b`, where the outcome is certain."""
    left = expressions.evaluate(frame, node.left)
    rights = [expressions.evaluate(frame, comparator) for comparator in node.comparators]
    if len(rights) != 1:
        return UNKNOWN
    right, op = rights[0], node.ops[0]
    if not all(isinstance(a.item, Const) for a in (*left, *right)):
        return UNKNOWN
    outcomes = set()
    for a in left:
        for b in right:
            outcomes.add(_compared(op, a.item.value, b.item.value))  # type: ignore[attr-defined]
    outcome = outcomes.pop() if len(outcomes) == 1 else None
    if outcome is None:
        return UNKNOWN
    soft = any(a.soft for a in (*left, *right))
    return (Alt(Const(outcome), frame.site(node), soft=soft),)


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool | None:
    try:
        if isinstance(op, (ast.Eq, ast.Is)):
            return bool(left == right)
        if isinstance(op, (ast.NotEq, ast.IsNot)):
            return bool(left != right)
        if isinstance(op, ast.In):
            return bool(left in right)
        if isinstance(op, ast.NotIn):
            return bool(left not in right)
        table = {
            ast.Lt: operator.lt,
            ast.LtE: operator.le,
            ast.Gt: operator.gt,
            ast.GtE: operator.ge,
        }
        return bool(table[type(op)](left, right))
    except (TypeError, KeyError):
        return None
