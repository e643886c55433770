"""Every fixture, and the scores on its variations."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.checks.triage.cases import Case, first, load, missing_facts, right
from tests.checks.triage.variations import LOSSY, PLAIN, combined

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


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_variation(name: str) -> None:
    rng = random.Random(name)
    wrong = [
        case.name for case in POSITIVE if not right(case, diagnose(PLAIN[name](case.text, rng)))
    ]
    invented = [
        case.name for case in NEGATIVE if not right(case, diagnose(PLAIN[name](case.text, rng)))
    ]
    assert invented == []
    assert len(wrong) <= 0.05 * len(POSITIVE), wrong


@pytest.mark.parametrize("seed", range(4))
def test_combined_variations(seed: int) -> None:
    rng = random.Random(seed)
    wrong = [case.name for case in POSITIVE if not right(case, diagnose(combined(case.text, rng)))]
    invented = [
        case.name for case in NEGATIVE if not right(case, diagnose(combined(case.text, rng)))
    ]
    assert invented == []
    assert len(wrong) <= 0.05 * len(POSITIVE), wrong


@pytest.mark.parametrize("name", sorted(LOSSY))
def test_lossy_variation(name: str) -> None:
    """Broken lines and misread words cost hardly a case, and never invent a cause."""
    rng = random.Random(name)
    wrong = [
        case.name for case in POSITIVE if not right(case, diagnose(LOSSY[name](case.text, rng)))
    ]
    invented = [
        case.name for case in NEGATIVE if not right(case, diagnose(LOSSY[name](case.text, rng)))
    ]
    assert invented == []
    assert len(wrong) <= 0.02 * len(POSITIVE), wrong


def test_text_of_one_case_is_not_the_text_of_another() -> None:
    assert [text for text, n in Counter(case.text for case in CASES).items() if n > 1] == []
