"""The warning that means nothing, on the releases that print it."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.rope_scaling_warning import rope_scaling_warning
from qvl_doctor.findings import Outcome


@pytest.mark.parametrize(
    ("model_type", "release", "outcome"),
    [
        ("qwen2_vl", "4.45.1", Outcome.FAIL),
        ("qwen2_vl", "4.45.2", Outcome.PASS),
        ("qwen3_vl", "5.23.0", Outcome.PASS),
        ("qwen2_5_omni", "4.57.1", Outcome.FAIL),
        ("qwen2_5_omni", "5.0.0", Outcome.PASS),
        ("llama", "4.45.1", Outcome.NOT_APPLICABLE),
        ("qwen2_vl", None, Outcome.BLOCKED),
    ],
)
def test_by_release(
    model: Any, packages: Any, model_type: str, release: str | None, outcome: Outcome
) -> None:
    installed = packages(transformers=release) if release else packages()
    judgement = rope_scaling_warning.judge(model(model_type), installed)
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert "do not delete" in judgement.fixes[0].summary


def test_nothing_was_named(model: Any, packages: Any) -> None:
    judgement = rope_scaling_warning.judge(model(source="tiny"), packages(transformers="4.45.1"))
    assert judgement.outcome is Outcome.NOT_APPLICABLE
