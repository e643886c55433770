"""A worker that dies on some files; a module of its own, because workers import it by name."""

import os

from qvl_checks.lint.finding import LintFinding
from qvl_checks.lint.source import Source
from qvl_checks.lint.workers import _work


def work(groups: list[list[Source]]) -> list[LintFinding]:
    """What a worker does, unless a file is called deadly."""
    if any("deadly" in source.path for group in groups for source in group):
        os._exit(9)
    return _work(groups)
