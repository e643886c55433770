"""The same thing said in many ways: how a value reaches a call, how prompts are cut off, padded,
moved, loaded. What is wrong is found in each of them, and what is right passes.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.version import Version

from qvl_checks.lint.project import lint_source

FOLDER = Path(__file__).parent / "ways"
ALARMS = ("error", "warning")


class Way(NamedTuple):
    """One program, and whether a rule has something to find in it."""

    name: str
    release: str
    slug: str
    wrong: bool
    text: str


def ways(file: str) -> list[Way]:
    """The programs of one file; all but those marked `whole` start with its header."""
    _, first, *parts = (FOLDER / file).read_text(encoding="utf-8").split("\n=== ")
    header = first.partition("\n")[2] + "\n"
    found = []
    for part in parts:
        head, _, body = part.partition("\n")
        name, release, slug, verdict, *whole = head.split(" | ")
        text = body if whole else header + body
        found.append(Way(name, release, slug, verdict == "found", f"{text}\n"))
    return found


def slugs(text: str, release: str, levels: tuple[str, ...] = ()) -> set[str]:
    findings = lint_source(text, "a.py", Version(release))
    return {f.id.partition(".")[2] for f in findings if not levels or f.level in levels}


@pytest.mark.parametrize("way", ways("values.txt"), ids=lambda way: way.name)
def test_a_value_is_followed(way: Way) -> None:
    assert way.slug in slugs(way.text, way.release)
    other = way.text
    for wrong, right in (("eager", "sdpa"), ("EAGER", "SDPA"), ('"ea" + "ger"', '"sd" + "pa"')):
        other = other.replace(wrong, right)
    other = other.replace('"eag"\n', '"sd"\n').replace("}er", "}pa")
    assert way.slug not in slugs(other, way.release)


@pytest.mark.parametrize(
    "way",
    [*ways("actions.txt"), *ways("loads.txt"), *ways("releases.txt")],
    ids=lambda way: way.name,
)
def test_right_and_wrong_ways(way: Way) -> None:
    if way.wrong:
        assert way.slug in slugs(way.text, way.release)
    else:
        assert way.slug not in slugs(way.text, way.release, ALARMS)
