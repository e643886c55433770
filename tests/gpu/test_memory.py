"""The device-0 failure at full size: reproduced under a cap, gone with sdpa."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qvl_doctor.facts import Record
from qvl_doctor.findings import Confidence, Finding, Outcome

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import GIB, SCENARIOS, examine

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

WEIGHTS = 8_292_166_656 * 2
"""Of Qwen2.5-VL-7B in bf16: the published number of parameters, two bytes each."""
PATCHES = 98 * 146
"""Of a 2048x1365 photo at 14 pixels a patch."""


def run(name: str) -> tuple[Record, Finding]:
    torch = pytest.importorskip("torch")
    scenario = SCENARIOS[name]
    if torch.cuda.device_count() < scenario.gpus:
        pytest.skip(f"needs {scenario.gpus} CUDA devices")
    return examine(scenario)


def test_eager_runs_out_in_the_vision_tower_and_sdpa_cures_it() -> None:
    record, finding = run("eager")
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.confidence is Confidence.MEASURED
    failure = finding.evidence["failure"]
    assert failure["phase"] == "vision"
    assert failure["module"].startswith("model.visual.blocks.")
    assert failure["gpu"] == 0
    assert failure["shape"][-2:] == [PATCHES, PATCHES]
    assert failure["requested_bytes"] in (16 * PATCHES**2 * 2, 16 * PATCHES**2 * 4)
    assert failure["exact"]
    assert failure["source"].startswith("transformers/models/qwen2_5_vl/")
    assert f"{PATCHES} × {PATCHES} patches" in finding.cause
    [cure] = [fix for fix in finding.fixes if fix.code and '"sdpa"' in fix.code]
    assert cure.verified
    assert record.probes["memory.with_sdpa"].data["status"] == "ran"
    assert record.probes["memory.with_eager"].data["obstacle"] == "same_as_stated"
    [card] = record.probes["memory.as_stated"].data["cards"]
    assert WEIGHTS <= card["weights_bytes"] < WEIGHTS + GIB // 8
    assert card["peak_reserved_bytes"] <= card["limit_bytes"]
    assert card["limit_bytes"] + card["context_bytes"] == 24 * GIB


def test_the_default_fits_and_eager_is_seen_to_fail() -> None:
    record, finding = run("default")
    assert finding.outcome is Outcome.PASS, finding.cause
    assert "eager" in finding.cause
    [card] = record.probes["memory.as_stated"].data["cards"]
    assert WEIGHTS < card["peak_allocated_bytes"] < 18 * GIB
    assert record.probes["memory.with_eager"].data["status"] == "out_of_memory"


def test_weights_that_do_not_fit_are_named() -> None:
    _, finding = run("too-small")
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.evidence["failure"]["phase"] == "load"
    assert finding.evidence["failure"]["module"].endswith(".weight")


def test_a_second_gpu_does_not_help_eager() -> None:
    record, finding = run("two-gpus-eager")
    assert finding.outcome is Outcome.FAIL, finding.cause
    failure = finding.evidence["failure"]
    assert (failure["phase"], failure["gpu"]) == ("vision", 0)
    assert failure["requested_bytes"] in (16 * 14400**2 * 2, 16 * 14400**2 * 4)
    assert record.probes["memory.as_stated"].data["placement"]["model.visual"] == "0"
    assert record.probes["memory.with_sdpa"].data["status"] == "ran"


def test_two_gpus_share_the_weights() -> None:
    record, finding = run("two-gpus-default")
    assert finding.outcome is Outcome.PASS, finding.cause
    cards = record.probes["memory.as_stated"].data["cards"]
    assert len(cards) == 2
    assert all(card["weights_bytes"] > 6 * GIB for card in cards)
