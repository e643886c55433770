"""Logits of the whole prompt when only the last are read."""

import ast
from collections.abc import Iterator
from functools import cache

from packaging.version import Version

from ..facts import Program
from ..flow.events import Run
from ..flow.module import Module
from ..rule import Report, Rule

NEAR = 12
"""Lines behind a forward in which its logits are read."""
RULE = Rule("memory.full-prompt-logits", "A forward pass computes logits for every prompt token.")


def check(program: Program) -> Iterator[Report]:
    """Forward calls whose logits are read only at the last position."""
    for run in program.of(Run):
        families = program.model_families(run.model)
        if (
            run.generates
            or not families
            or {"logits_to_keep", "num_logits_to_keep", "labels"} & set(run.keywords.entries)
        ):
            continue
        if program.trains(run.site.module) or not _reads_last_only(run):
            continue
        first = Version("5.0.0") if "qwen2_vl" in families else Version("4.54.0")
        able = program.transformers >= first
        yield RULE.at(
            run.site,
            "info",
            "Only the last position is read, but this forward computes logits for every prompt"
            " token.",
            (
                "Pass logits_to_keep=1."
                if able
                else f"Upgrade to transformers {first} or later and pass logits_to_keep=1."
            ),
        )


def _reads_last_only(run: Run) -> bool:
    """Whether every `.logits` in the same function is sliced at the last position."""
    reads = _logit_reads(run.site.module)
    line = run.site.line
    near = [last for place, last in reads if line <= place <= line + NEAR]
    return bool(near) and all(near)


@cache
def _logit_reads(module: Module) -> tuple[tuple[int, bool], ...]:
    found: dict[int, bool] = {}
    places: dict[int, int] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr == "logits":
            found.setdefault(id(node), False)
            places[id(node)] = node.lineno
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "logits"
        ):
            found[id(node.value)] = _is_last(node.slice)
            places[id(node.value)] = node.lineno
        if isinstance(node, ast.Assign) and _names_logits(node):
            found[id(node.value)] = _name_sliced(module, node)
            places[id(node.value)] = node.lineno
    return tuple((places[key], last) for key, last in found.items())


def _names_logits(node: ast.Assign) -> bool:
    """Whether it is `name = ... .logits`."""
    return (
        isinstance(node.value, ast.Attribute)
        and node.value.attr == "logits"
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
    )


def _name_sliced(module: Module, assigned: ast.Assign) -> bool:
    """Whether every use of the name in the lines that follow is sliced at the last position."""
    target = assigned.targets[0]
    uses = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name)
        and isinstance(target, ast.Name)
        and node.id == target.id
        and isinstance(node.ctx, ast.Load)
        and assigned.lineno < node.lineno <= assigned.lineno + NEAR
    ]
    sliced = {
        id(node.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Subscript) and _is_last(node.slice)
    }
    return bool(uses) and all(id(node) in sliced for node in uses)


def _is_last(index: ast.expr) -> bool:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return any(
        isinstance(part, ast.UnaryOp)
        and isinstance(part.op, ast.USub)
        and isinstance(part.operand, ast.Constant)
        and part.operand.value == 1
        for part in parts[1:]
    )
