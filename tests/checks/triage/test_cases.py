"""Every fixture, and the scores on its variations."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.checks.triage.cases import Case, first, load, missing_facts, right
from tests.checks.triage.variations import LOSSY, PLAIN, Variation, combined

from qvl_checks.triage.advice import ADVICE
from qvl_checks.triage.diagnosing import diagnose

CASES = load()
POSITIVE = [case for case in CASES if case.expect]
NEGATIVE = [case for case in CASES if not case.expect]

#: Causes that need facts of the machine: a text alone never names them.
NOT_FROM_TEXT = {
    "versions.duplicate-packages",
    "memory.device-0-out-of-memory",
    "attention.flash-attn-import-failed",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    triage = diagnose(case.text)
    assert right(case, triage), (
        f"expected {case.expect or 'not recognised'}, got {[d.id for d in triage.diagnoses]}"
    )
    assert missing_facts(case, triage) == []


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 440
    assert len(NEGATIVE) >= 85


def test_every_cause_has_a_case_that_names_it() -> None:
    named = {first(diagnose(case.text)) for case in POSITIVE}
    assert set(ADVICE) - named - NOT_FROM_TEXT == set()


#: One case of this many is varied by the fast tests, every one by the slow ones.
SAMPLE = 10
SHARES = [
    pytest.param(SAMPLE, id="sample"),
    pytest.param(1, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
]


#: A program, a diff, release notes: known by their lines, so no documents any more within other
#: text, or with their lines broken or mixed.
DOCUMENTS = "documents"
LINES_CHANGED = {*LOSSY.values(), combined}
LINES_CHANGED |= {PLAIN[name] for name in ("greeted", "interleaved", "noisy", "stamped")}


def judged(vary: Variation, rng: random.Random, share: int) -> tuple[list[str], list[str]]:
    """Names of the positives that `vary` makes wrong, and of the negatives that it makes wrong."""
    wrong, invented = (
        [case.name for case in cases[::share] if not right(case, diagnose(vary(case.text, rng)))]
        for cases in (POSITIVE, NEGATIVE)
    )
    if vary in LINES_CHANGED:
        invented = [name for name in invented if not name.startswith(DOCUMENTS)]
    return wrong, invented


def allowed(fraction: float, share: int) -> float:
    """How many positives may become wrong; a sample's share is rounded up to one."""
    return max(1.0, fraction * len(POSITIVE) / share) if share > 1 else fraction * len(POSITIVE)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_variation(name: str, share: int) -> None:
    wrong, invented = judged(PLAIN[name], random.Random(name), share)
    assert invented == []
    assert len(wrong) <= allowed(0.05, share), wrong


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", range(4))
def test_combined_variations(seed: int, share: int) -> None:
    wrong, invented = judged(combined, random.Random(seed), share)
    assert invented == []
    assert len(wrong) <= allowed(0.05, share), wrong


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", sorted(LOSSY))
def test_lossy_variation(name: str, share: int) -> None:
    """Broken lines and misread words cost hardly a case, and hardly invent a cause."""
    wrong, invented = judged(LOSSY[name], random.Random(name), share)
    assert invented == []
    assert len(wrong) <= allowed(0.02, share), wrong


def test_text_of_one_case_is_not_the_text_of_another() -> None:
    assert [text for text, n in Counter(case.text for case in CASES).items() if n > 1] == []
