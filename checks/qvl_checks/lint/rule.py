"""What a rule is: an id, and the reports that it makes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .facts import Program
from .finding import Edit, Fix, Level
from .flow.certainty import CERTAIN
from .flow.values import Site

Check = Callable[[Program], Iterator["Report"]]


@dataclass(frozen=True, slots=True)
class Report:
    """A finding before it has a file and a column."""

    id: str
    site: Site
    level: Level
    message: str
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Metadata of one rule."""

    id: str
    """`topic.slug`"""
    summary: str
    """What is wrong, one sentence."""

    def at(self, site: Site, level: Level, message: str, fix: str = "", *edits: Edit) -> Report:
        """A report of this rule."""
        return Report(self.id, site, level, message, Fix(fix, edits) if fix else None)


def graded(certainty: int, certain: Level = "warning", sometimes: Level = "info") -> Level:
    """The level for a mistake that happens on every path, or only on some."""
    return certain if certainty == CERTAIN else sometimes


def rename_keyword(site: Site, new: str) -> tuple[Edit, ...]:
    """Replace a keyword name, or the string key of a dict, at `site`."""
    node = site.node
    if isinstance(node, ast.keyword) and node.arg:
        end = node.col_offset + len(node.arg.encode())
        return (Edit(node.lineno, node.col_offset, node.lineno, end, new),)
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.end_lineno == node.lineno
    ):
        source = _line(site, node.lineno)[node.col_offset : node.end_col_offset]
        quote = source[:1].decode()
        if source == f"{quote}{node.value}{quote}".encode() and node.end_col_offset is not None:
            return (
                Edit(
                    node.lineno,
                    node.col_offset,
                    node.lineno,
                    node.end_col_offset,
                    f"{quote}{new}{quote}",
                ),
            )
    return ()


def add_keyword(site: Site, text: str) -> tuple[Edit, ...]:
    """Insert `name=value` as the last argument of the call at `site`."""
    node = site.node
    if not isinstance(node, ast.Call):
        return ()
    arguments: list[ast.expr | ast.keyword] = sorted([*node.args, *node.keywords], key=_end)
    if any(isinstance(argument, ast.GeneratorExp) for argument in node.args):
        return ()
    if arguments:
        last = arguments[-1]
        value = last.value if isinstance(last, ast.keyword) else last
        line, column = value.end_lineno or 0, value.end_col_offset or 0
        rest = _line(site, line)[column:].decode(errors="replace").strip()
        if rest[:1] not in (",", ")") and rest[:1] not in ("", "#"):
            return ()
        return (Edit(line, column, line, column, f", {text}"),)
    end = node.func.end_col_offset or 0
    if _line(site, node.func.end_lineno or 0)[end : end + 2] == b"()":
        return (Edit(node.func.end_lineno or 0, end + 1, node.func.end_lineno or 0, end + 1, text),)
    return ()


def _end(node: ast.expr | ast.keyword) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _line(site: Site, number: int) -> bytes:
    return site.module.between(number, number).encode()
