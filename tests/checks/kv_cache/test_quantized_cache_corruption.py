"""A generation config that asks for a quantised cache."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Settings
from qvl_checks.kv_cache.quantized_cache_corruption import quantized_cache_corruption
from qvl_checks.models.catalogue import resolve
from qvl_doctor.findings import Outcome

FILE = "generation_config.json"
ASKS = {"cache_implementation": "quantized", "cache_config": {"backend": "quanto", "nbits": 4}}


def judged(value: Any, name: str = "Qwen2.5-VL-7B", state: Any = "read") -> Outcome:
    settings = {FILE: Settings(state=state, value=value, reason="no JSON")}
    model = resolve(name)
    assert model is not None
    facts = CheckpointFilesFacts(state="read", settings=settings)
    return quantized_cache_corruption.judge(facts, model).outcome


@pytest.mark.parametrize(
    ("value", "name", "state", "outcome"),
    [
        (ASKS, "Qwen2.5-VL-7B", "read", Outcome.FAIL),
        ({"cache_implementation": "quantized"}, "Qwen2-VL-7B", "read", Outcome.FAIL),
        ({**ASKS, "cache_config": {"nbits": 8}}, "Qwen2-VL-7B", "read", Outcome.INCONCLUSIVE),
        ({**ASKS, "cache_config": {"nbits": "x"}}, "Qwen2-VL-7B", "read", Outcome.INCONCLUSIVE),
        ({"cache_implementation": "static"}, "Qwen2.5-VL-7B", "read", Outcome.PASS),
        ({}, "Qwen2.5-VL-7B", "read", Outcome.PASS),
        (None, "Qwen2.5-VL-7B", "missing", Outcome.PASS),
        (None, "Qwen2.5-VL-7B", "invalid", Outcome.BLOCKED),
        (ASKS, "Qwen3-VL-8B", "read", Outcome.NOT_APPLICABLE),
    ],
)
def test_by_what_the_file_says(value: Any, name: str, state: str, outcome: Outcome) -> None:
    assert judged(value, name, state) is outcome


def test_without_a_folder() -> None:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    nothing = CheckpointFilesFacts(state="not-given")
    outcome = quantized_cache_corruption.judge(nothing, model).outcome
    assert outcome is Outcome.NOT_APPLICABLE
