"""Whole programs: clean ones raise no alarm, planted mistakes are found on their line and nothing
else is.
"""

import re
from pathlib import Path

import pytest
from packaging.version import Version

from qvl_checks.lint.project import lint_source

PROGRAMS = sorted(Path(__file__).parent.glob("programs/*.py.txt"))
MARK = re.compile(r"# expect: (\S+)")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name.partition(".")[0])
def test_alarms_are_exactly_the_marked_ones(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    release = Version(text.partition("\n")[0].rpartition(" ")[2])
    marked = {
        (found.group(1), number)
        for number, line in enumerate(text.split("\n"), start=1)
        for found in MARK.finditer(line)
    }
    findings = lint_source(text, path.name, release)
    alarms = {(f.id.partition(".")[2], f.line) for f in findings if f.level in ("error", "warning")}
    everything = {(f.id.partition(".")[2], f.line) for f in findings}
    assert alarms <= marked
    assert marked <= everything
    assert path.name.startswith("clean") == (not marked)
