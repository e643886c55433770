"""Every rule fires where it must, on the marked line, and stays silent on near misses."""

import pytest
from packaging.version import Version

from qvl_checks.lint.project import lint_source
from qvl_checks.lint.rules import registry

from .snippets import CASES

FIRES = [(rule, n, *case) for rule, (fires, _) in CASES.items() for n, case in enumerate(fires)]
SILENT = [(rule, n, *case) for rule, (_, silent) in CASES.items() for n, case in enumerate(silent)]


def found(rule: str, release: str, text: str) -> set[int]:
    return {f.line for f in lint_source(text, "case.py", Version(release)) if f.id == rule}


@pytest.mark.parametrize(("rule", "number", "release", "text"), FIRES)
def test_fires_on_the_marked_lines(rule: str, number: int, release: str, text: str) -> None:
    marked = {n for n, line in enumerate(text.split("\n"), start=1) if line.endswith("#!")}
    assert marked and found(rule, release, text) == marked


@pytest.mark.parametrize(("rule", "number", "release", "text"), SILENT)
def test_stays_silent_on_near_misses(rule: str, number: int, release: str, text: str) -> None:
    assert found(rule, release, text) == set()


def test_every_rule_has_cases() -> None:
    assert set(CASES) == set(registry())
    assert all(len(fires) >= 3 and len(silent) >= 2 for fires, silent in CASES.values())
