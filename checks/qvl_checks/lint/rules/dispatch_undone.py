"""Moving a model that device_map has spread."""

import ast
from collections.abc import Iterator
from functools import partial
from typing import cast

from ..facts import Program
from ..finding import Edit
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.events import Load, Move
from ..flow.values import Item, MethodItem, Ref, Unknown, is_given
from ..meanings import device_kind, is_auto_map
from ..rule import Report, Rule

RULE = Rule("memory.dispatch-undone", "Moving the model undoes what device_map did.")


def check(program: Program) -> Iterator[Report]:
    """`.to(device)` and `.cuda()` on models loaded with an automatic device_map."""
    for move in program.of(Move):
        load = move.what.data if move.what is not None else None
        if not isinstance(load, Load) or not program.families(load) or not is_given(move.device):
            continue
        if any("hf_device_map" in condition for condition in move.conditions):
            continue
        certainty, _ = judge(move.path | load.path, [program.placement(load), move.device], _undoes)
        likely, _ = judge(
            move.path | load.path,
            [program.placement(load), move.device],
            partial(_may_undo, named=_names_device(move)),
        )
        if certainty == NEVER and likely != CERTAIN:
            continue
        yield RULE.at(
            move.site,
            "warning" if certainty == CERTAIN else "info",
            "device_map spread this model over the devices; moving it afterwards puts all weights"
            " on one of them, or raises.",
            "Delete the move and send only the inputs to model.device.",
            *_deletion(move),
        )


def _undoes(placement: Item, device: Item) -> bool:
    return is_auto_map(placement) and (
        device_kind(device) in ("cuda", "cpu", "mps", "xpu", "npu")
        or _is_accelerator_device(device)
    )


def _names_device(move: Move) -> bool:
    """Whether what the model is moved to is called a device where it is written."""
    for call in ast.walk(move.site.module.tree):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and (call.func.attr, call.func.end_lineno) == (move.method, move.site.line)
            and len(call.args) == 1
        ):
            (given,) = call.args
            name = given.attr if isinstance(given, ast.Attribute) else getattr(given, "id", "")
            return name == "device"
    return False


def _may_undo(placement: Item, device: Item, named: bool) -> bool:
    if not is_auto_map(placement):
        return False
    if _undoes(placement, device) or (named and isinstance(device, Unknown)):
        return True
    name = device.name if isinstance(device, (MethodItem, Ref)) else ""
    return any(word in name for word in ("device", "rank", "gpu"))


def _is_accelerator_device(device: Item) -> bool:
    return (
        isinstance(device, MethodItem)
        and device.name == "device"
        and getattr(device.receiver, "kind", "") == "accelerator"
    )


def statement(tree: ast.Module, call: ast.Call) -> ast.stmt | None:
    """The statement that does nothing but move a name, if its lines can go: it has company in its
    block.
    """
    for parent in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(parent, field, None)
            if not isinstance(block, list) or len(block) < 2:
                continue
            for index, node in enumerate(block):
                if _only_moves(node, call) and _alone(block, index):
                    return cast(ast.stmt, node)
    return None


def _only_moves(node: ast.AST, call: ast.Call) -> bool:
    base = call.func.value if isinstance(call.func, ast.Attribute) else call
    if not isinstance(base, (ast.Name, ast.Attribute)):
        return False
    if isinstance(node, ast.Expr):
        return node.value is call
    same = isinstance(node, ast.Assign) and node.value is call and len(node.targets) == 1
    return same and ast.unparse(node.targets[0]) == ast.unparse(base)  # type: ignore[attr-defined]


def _alone(block: list[ast.stmt], index: int) -> bool:
    """No other statement of the block shares a line with this one, and a line follows it."""
    node = block[index]
    before = block[index - 1].end_lineno if index else node.lineno - 1
    after = block[index + 1].lineno if index + 1 < len(block) else None
    return (before or 0) < node.lineno and after is not None and after > (node.end_lineno or 0)


def _deletion(move: Move) -> tuple[Edit, ...]:
    """Cut `.to(...)` out of the expression; a statement that only moves is left as the bare
    name.
    """
    node = getattr(move.site.node, "call", None)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ()
    if move.method == "to" and (len(node.args) != 1 or node.keywords):
        return ()
    whole = statement(move.site.module.tree, node)
    if whole is not None and whole.end_lineno is not None:
        return (Edit(whole.lineno, 0, whole.end_lineno + 1, 0, ""),)
    base = node.func.value
    if (
        base.end_lineno is None
        or base.end_col_offset is None
        or node.end_lineno is None
        or node.end_col_offset is None
    ):
        return ()
    return (Edit(base.end_lineno, base.end_col_offset, node.end_lineno, node.end_col_offset, ""),)
