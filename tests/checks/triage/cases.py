"""Fixture cases of the triage tests: a small text format, and the scorer that judges an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from qvl_checks.triage.model import Triage
from qvl_checks.triage.render import to_text

FIXTURES = Path(__file__).parent / "fixtures"
_HEADER = re.compile(r"=== ([^~!]+?)(?: ~ ([^!]+?))?(?: ! (.+))?$")


@dataclass(frozen=True)
class Case:
    """`expect`: ids that may come first (none: a negative); `also`: tolerated for a negative;
    `must`: facts the answer states.
    """

    name: str
    expect: tuple[str, ...]
    also: tuple[str, ...]
    must: tuple[str, ...]
    text: str


def _names(text: str | None, separator: str = ",") -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(separator) if part.strip())


def load() -> list[Case]:
    """Every case of every file under ``fixtures``."""
    cases: list[Case] = []
    for path in sorted(FIXTURES.glob("*.txt")):
        blocks = re.split(r"^(?==== )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for number, block in enumerate(blocks[1:], 1):
            header, _, text = block.partition("\n")
            match = _HEADER.match(header)
            assert match is not None, header
            expect = () if match.group(1) == "-" else _names(match.group(1))
            cases.append(
                Case(
                    f"{path.stem}-{number:03}",
                    expect,
                    _names(match.group(2)),
                    _names(match.group(3), ";"),
                    text.strip("\n"),
                )
            )
    return cases


def first(triage: Triage) -> str | None:
    """The id that stands first."""
    return triage.diagnoses[0].id if triage.diagnoses else None


def right(case: Case, triage: Triage) -> bool:
    """Is the first diagnosis one that the case expects (for a negative: none, or a tolerated
    one)?"""
    top = first(triage)
    return top in case.expect if case.expect else top is None or top in case.also


def missing_facts(case: Case, triage: Triage) -> list[str]:
    """The `must` entries that the whole answer does not state. ``a | b`` are alternatives, ``~N``
    is N within 0.5 %.
    """
    text = re.sub(r"(?<=\d)[, ](?=\d{3}(?!\d))", "", to_text(triage))
    return [
        fact
        for fact in case.must
        if not any(_states(text, part.strip()) for part in fact.split("|"))
    ]


def _states(text: str, part: str) -> bool:
    if part.startswith("~"):
        wanted = float(part[1:])
        numbers = (float(m.group()) for m in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?", text))
        return any(abs(number - wanted) <= 0.005 * wanted for number in numbers)
    return part.lower() in text.lower()
