"""Conditions: a name for the branch, and its outcome where it is certain."""

from __future__ import annotations

import ast

from . import expressions
from .frame import Frame
from .guards import Literal
from .values import Const, Value, on_path


def condition(frame: Frame, test: ast.expr) -> tuple[Literal, bool | None]:
    """The literal that holds when `test` is true, and the outcome if no run can change it."""
    sign = True
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, sign = test.operand, not sign
    outcome = certain(expressions.evaluate(frame, test), frame)
    if outcome is not None and not sign:
        outcome = not outcome
    if _is_main(test):
        return ("entry", ("main", frame.module.path), sign), None
    return (frame.module.written(test), True, sign), outcome


def certain(value: Value, frame: Frame) -> bool | None:
    """The truth of a value that is the same on every path and not a default, else None."""
    outcomes = set()
    for alt in on_path(value, frame.path):
        if not isinstance(alt.item, Const) or alt.soft:
            return None
        outcomes.add(bool(alt.item.value))
    return outcomes.pop() if len(outcomes) == 1 else None


def _is_main(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )
