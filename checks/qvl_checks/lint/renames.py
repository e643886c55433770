"""Edits that rename an imported name everywhere in a file."""

import ast

from .finding import Edit
from .flow.module import Module


def everywhere(module: Module, old: str, new: str) -> tuple[Edit, ...]:
    """Rename `old`; empty if the file already knows `new` or binds `old` itself."""
    edits: list[Edit] = []
    names = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
    if new in names:
        return ()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == old:
            if not isinstance(node.ctx, ast.Load):
                return ()
            edits.append(_edit(node.lineno, node.col_offset, old, new))
        elif (
            isinstance(node, ast.Attribute)
            and node.attr == old
            and node.end_lineno
            and node.end_col_offset
        ):
            edits.append(_edit(node.end_lineno, node.end_col_offset - len(old), old, new))
        elif isinstance(node, ast.ImportFrom):
            if any(alias.name == new for alias in node.names):
                return ()
            edits += [_edit(a.lineno, a.col_offset, old, new) for a in node.names if a.name == old]
        elif isinstance(node, ast.Constant) and node.value == old:
            return ()
    return tuple(edits)


def _edit(line: int, column: int, old: str, new: str) -> Edit:
    return Edit(line, column, line, column + len(old), new)
