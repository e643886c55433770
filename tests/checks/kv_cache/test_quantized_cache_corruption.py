"""A generation config that asks for a quantised cache."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Settings
from qvl_checks.kv_cache.quantised_facts import QuantisedFacts, QuantisedRow
from qvl_checks.kv_cache.quantized_cache_corruption import quantized_cache_corruption
from qvl_checks.models.catalogue import resolve
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

FILE = "generation_config.json"
ASKS = {"cache_implementation": "quantized", "cache_config": {"backend": "quanto", "nbits": 4}}


def judged(value: Any, name: str = "Qwen2.5-VL-7B", state: Any = "read") -> Outcome:
    settings = {FILE: Settings(state=state, value=value, reason="no JSON")}
    model = resolve(name)
    assert model is not None
    facts = CheckpointFilesFacts(state="read", settings=settings)
    return quantized_cache_corruption.judge(facts, model, None).outcome


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
    outcome = quantized_cache_corruption.judge(nothing, model, None).outcome
    assert outcome is Outcome.NOT_APPLICABLE


def row(backend: str, bits: int, norm: float, error: float) -> QuantisedRow:
    grouping = "per token" if backend == "simulated" else "its default"
    return QuantisedRow(
        backend=backend,
        bits=bits,
        grouping=grouping,
        key_bias_norm=norm,
        error=error,
        top1=1 - error,
    )


def runs(*backends: str, eight: float = 0.14) -> QuantisedFacts:
    """What was measured, with these packages."""
    rows = [
        row(name, bits, norm, error)
        for name in ("simulated", *backends)
        for bits, norm, error in (
            (4, 0.0, 0.14),
            (4, 755.5, 0.68),
            (8, 0.0, 0.009),
            (8, 755.5, eight),
        )
    ]
    return QuantisedFacts(has_key_bias=True, rows=tuple(rows), not_checked={"hqq": "absent"})


def judgement(value: Any, quantised: QuantisedFacts) -> Judgement:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    settings = {FILE: Settings(state="read", value=value, reason="")}
    facts = CheckpointFilesFacts(state="read", settings=settings)
    return quantized_cache_corruption.judge(facts, model, quantised)


def test_a_run_with_the_backend_itself_makes_it_measured() -> None:
    found = judgement(ASKS, runs("quanto"))
    assert found.outcome is Outcome.FAIL
    assert found.confidence is Confidence.MEASURED
    assert "run with quanto" in found.cause
    assert "68% with a planted key bias of norm 756 and 14% without it" in found.cause
    assert found.charts


def test_a_simulation_is_called_one() -> None:
    found = judgement(ASKS, runs())
    assert found.outcome is Outcome.FAIL
    assert found.confidence is Confidence.DERIVED
    assert "simulated by the doctor" in found.cause
    assert found.evidence["not_checked"] == {"hqq": "absent"}


@pytest.mark.parametrize(("eight", "outcome"), [(0.14, Outcome.INCONCLUSIVE), (0.33, Outcome.FAIL)])
def test_more_bits_are_judged_by_the_backend_that_was_run(eight: float, outcome: Outcome) -> None:
    asks = {"cache_implementation": "quantized", "cache_config": {"backend": "HQQ", "nbits": 8}}
    assert judgement(asks, runs("hqq", eight=eight)).outcome is outcome
    # A simulation of another package proves nothing about this one.
    assert judgement(asks, runs(eight=eight)).outcome is Outcome.INCONCLUSIVE


def test_a_checkpoint_that_does_not_ask_is_told_what_it_would_cost() -> None:
    found = judgement({}, runs())
    assert found.outcome is Outcome.PASS
    assert "68%" in found.cause


def test_without_a_folder_it_is_told_all_the_same() -> None:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    nothing = CheckpointFilesFacts(state="not-given")
    found = quantized_cache_corruption.judge(nothing, model, runs())
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert "68%" in found.cause and found.evidence["measured"]


def test_a_release_that_refuses_it_is_quoted() -> None:
    refusing = QuantisedFacts(
        missing={"quanto 4 bits its default": "ValueError: does not support the quantized cache"}
    )
    found = judgement(ASKS, refusing)
    assert found.outcome is Outcome.FAIL
    assert "does not run here" in found.title
    assert "does not support" in found.cause
