"""The check: a prediction without a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qvl_checks.memory.predicted_facts import PredictedFacts
from qvl_checks.memory.predicted_out_of_memory import predicted_out_of_memory
from qvl_checks.memory.run_facts import RunAsStated
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

sys.path.insert(0, str(Path(__file__).parent))

from memory_examples import failing_device, named, predicted, predicted_device, ran


def judge(predicted: PredictedFacts | None, stated: RunAsStated | None = None) -> Judgement:
    return predicted_out_of_memory.judge(predicted=predicted, stated=stated, model=named())


def test_what_fits_passes_as_derived_and_says_that_it_was_not_run() -> None:
    judgement = judge(predicted())
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.DERIVED
    assert judgement.title == (
        "Qwen2.5-VL-7B is predicted to fit: peak 16.45 GiB, 17.45 GiB reserved of 23.49 GiB "
        "on GPU 0"
    )
    assert "not run" in judgement.cause
    assert judgement.charts[0].kind == "area"


def test_what_does_not_fit_fails_and_names_the_allocation() -> None:
    judgement = judge(predicted(predicted_device(0), failing_device(1)))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.DERIVED
    assert "GPU 1" in judgement.title
    assert "model.visual.blocks.7.attn will ask for 6.10 GiB" in judgement.cause
    assert judgement.evidence["gpus"][0]["text_scratch_gib"] == 1.0


@pytest.mark.parametrize(
    ("obstacle", "outcome"),
    [
        ("no_model", Outcome.NOT_APPLICABLE),
        ("no_gpu", Outcome.NOT_APPLICABLE),
        ("unavailable", Outcome.NOT_APPLICABLE),
        ("untraceable", Outcome.BLOCKED),
    ],
)
def test_without_a_prediction(obstacle: str, outcome: Outcome) -> None:
    facts = PredictedFacts(status="not_run", obstacle=obstacle, reason="of this")
    judgement = judge(facts)
    assert judgement.outcome is outcome
    assert "of this" in judgement.cause


def test_a_run_is_worth_more_than_a_prediction() -> None:
    assert judge(predicted(failing_device()), ran()).outcome is Outcome.NOT_APPLICABLE


def test_a_run_that_was_refused_is_none() -> None:
    refused = RunAsStated(status="not_run", obstacle="in_use", reason="others need it")
    assert judge(predicted(failing_device()), refused).outcome is Outcome.FAIL


def test_old_records_have_no_prediction() -> None:
    assert judge(None).outcome is Outcome.NOT_APPLICABLE
