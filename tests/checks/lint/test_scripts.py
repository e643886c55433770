"""Scripts as users write them: planted mistakes are found where they are, and nothing is said
against clean ones.

They were written before the rules had been tried on them. A mistake is marked where it is expected,
`# expect: slug`, with `span N` when any of N lines is right, and with a letter when one of several
places is.
"""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.version import Version

from qvl_checks.lint.project import lint_source

SCRIPTS = sorted(Path(__file__).parent.glob("scripts/*.py.txt"))
MARK = re.compile(r"# expect: ([\w-]+)(?: span (\d+))?(?: ([a-z])\b)?")
ALARMS = ("error", "warning")


def expected(text: str) -> list[tuple[str, set[int]]]:
    """(slug, lines that are right) for each planted mistake; a line beside them is right too."""
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, line in enumerate(text.split("\n"), start=1):
        for slug, span, group in MARK.findall(line):
            places[slug, group or str(number)] |= set(
                range(number - 1, number + int(span or 1) + 1)
            )
    return [(slug, lines) for (slug, _), lines in places.items()]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name.partition(".")[0])
def test_planted_mistakes_and_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text.partition("\n")[0]
    release = Version(head.partition("transformers ")[2].partition(";")[0])
    allowed = set(head.partition("also ok: ")[2].split(", "))
    found = [
        (finding.id.partition(".")[2], finding.line, finding.level)
        for finding in lint_source(text, path.name, release)
    ]
    planted = expected(text)
    for slug, lines in planted:
        assert any(name == slug and line in lines for name, line, _ in found), (slug, found)
    known = allowed | {slug for slug, _ in planted}
    assert [f for f in found if f[2] in ALARMS and f[0] not in known] == []
    assert path.name.startswith("clean") == (not planted)


def test_there_are_enough_scripts() -> None:
    assert sum(path.name.startswith("clean") for path in SCRIPTS) >= 70
    assert sum(path.name.startswith("planted") for path in SCRIPTS) >= 110
