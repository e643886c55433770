"""The check: predictions against runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.memory.change_facts import (
    Candidate,
    CandidatesFacts,
    FixesFacts,
    LargestImageFacts,
    Run,
    Trial,
)
from qvl_checks.memory.prediction_off import prediction_off
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

sys.path.insert(0, str(Path(__file__).parent))

from memory_examples import PEAK, failing_device, out_of_memory, predicted, predicted_device, ran


def judge(**facts: Any) -> Judgement:
    nothing = dict.fromkeys(("stated", "predicted", "candidates", "fixes", "largest"))
    return prediction_off.judge(**{**nothing, **facts})


def test_within_the_tolerance_it_passes_and_says_by_how_much() -> None:
    device = predicted_device(peak_allocated_bytes=round(PEAK * 1.01))
    judgement = judge(stated=ran(), predicted=predicted(device))
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.title == "Predicted and measured peaks differ by at most 1.00 %"


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("peak_allocated_bytes", "the peak of GPU 0"),
        ("peak_reserved_bytes", "the peak of reserved memory of GPU 0"),
        ("weights_bytes", "the weights of GPU 0"),
    ],
)
@pytest.mark.parametrize(("factor", "direction"), [(1.05, "high"), (0.95, "low")])
def test_beyond_it_fails_and_says_what_is_off(
    field: str, what: str, factor: float, direction: str
) -> None:
    value = round(getattr(predicted_device(), field) * factor)
    judgement = judge(stated=ran(), predicted=predicted(predicted_device(**{field: value})))
    assert judgement.outcome is Outcome.FAIL
    assert what in judgement.title
    assert f"% too {direction}" in judgement.title


def test_a_failure_that_was_predicted_agrees() -> None:
    judgement = judge(stated=out_of_memory(), predicted=predicted(failing_device()))
    assert judgement.outcome is Outcome.PASS


def test_a_failure_that_was_not_predicted_does_not() -> None:
    judgement = judge(stated=out_of_memory(), predicted=predicted())
    assert judgement.outcome is Outcome.FAIL
    assert "the stated workload was predicted to fit, and it ran out of memory" in judgement.title


def test_changes_are_compared_too() -> None:
    fixes = FixesFacts(
        status="tried", runs=(Trial(name="sdpa", changes={"attention": "sdpa"}, run=ran(Run)),)
    )
    candidate = Candidate(
        name="sdpa",
        changes={"attention": "sdpa"},
        fits=False,
        devices=(failing_device(peak_allocated_bytes=PEAK * 2),),
    )
    judgement = judge(
        stated=out_of_memory(),
        predicted=predicted(failing_device()),
        candidates=CandidatesFacts(status="searched", candidates=(candidate,)),
        fixes=fixes,
    )
    assert judgement.outcome is Outcome.FAIL
    assert "the peak of GPU 0 (sdpa) was predicted 100.0 % too high" in judgement.cause
    assert "the workload with sdpa was predicted not to fit, and it ran" in judgement.cause


@pytest.mark.parametrize(
    ("fits", "fails", "outcome"),
    [
        (1960, 1988, Outcome.PASS),
        (1932, 1960, Outcome.PASS),
        (1904, 1932, Outcome.FAIL),
        (2016, 2044, Outcome.FAIL),
        (2016, None, Outcome.PASS),  # the limit was not found: nothing is known to be off
    ],
)
def test_the_largest_image_may_be_missed_by_one_step(
    fits: int, fails: int | None, outcome: Outcome
) -> None:
    largest = LargestImageFacts(
        status="tried", predicted_side=1960, unit=28, fits_side=fits, fails_side=fails
    )
    judgement = judge(stated=ran(), predicted=predicted(), largest=largest)
    assert judgement.outcome is outcome


@pytest.mark.parametrize("stated", [None, "not_run"])
def test_without_a_run_there_is_nothing_to_compare(stated: str | None) -> None:
    run = ran(status="not_run") if stated else None
    assert judge(stated=run, predicted=predicted()).outcome is Outcome.NOT_APPLICABLE


def test_without_a_prediction_there_is_nothing_to_compare() -> None:
    assert judge(stated=ran()).outcome is Outcome.NOT_APPLICABLE
    nothing = predicted(status="not_run", reason="of this")
    judgement = judge(stated=ran(), predicted=nothing)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "of this" in judgement.cause


def test_records_without_a_workspace_tell_no_error_of_the_weights() -> None:
    old = ran()
    cards = tuple(type(card)(**{**_fields(card), "workspace_bytes": None}) for card in old.cards)
    device = predicted_device(weights_bytes=1)
    judgement = judge(stated=ran(cards=cards), predicted=predicted(device))
    assert judgement.outcome is Outcome.PASS


def _fields(card: Any) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__struct_fields__}
