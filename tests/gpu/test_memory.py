"""The device-0 failure at full size: reproduced under a cap, gone with sdpa."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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


def run(name: str) -> tuple[Record, Finding, Finding]:
    torch = pytest.importorskip("torch")
    scenario = SCENARIOS[name]
    if torch.cuda.device_count() < scenario.gpus:
        pytest.skip(f"needs {scenario.gpus} CUDA devices")
    return examine(scenario)


def runs_of(record: Record) -> dict[str, Any]:
    """Change -> facts of its run."""
    return {one["name"]: one["run"] for one in record.probes["memory.fixes"].data["runs"]}


def test_eager_runs_out_in_the_vision_tower_and_sdpa_cures_it() -> None:
    record, finding, foreseen = run("eager")
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
    [cure] = [fix for fix in finding.fixes if fix.code and '="sdpa"' in fix.code]
    assert cure.verified
    assert runs_of(record)["sdpa"]["status"] == "ran"
    assert "eager" not in runs_of(record)
    [card] = record.probes["memory.as_stated"].data["cards"]
    assert WEIGHTS <= card["weights_bytes"] < WEIGHTS + GIB // 8
    assert card["peak_reserved_bytes"] <= card["limit_bytes"]
    assert card["limit_bytes"] + card["context_bytes"] == 24 * GIB
    assert foreseen.outcome is Outcome.PASS, foreseen.cause
    largest = finding.evidence["largest_square_image"]
    assert largest["fails_px"] == largest["fits_px"] + largest["step_px"]
    over_time = finding.charts[0]
    assert over_time.kind == "area" and not over_time.title.startswith("Predicted")
    assert {"weights", "vision", "request that failed"} <= {one.name for one in over_time.series}


def test_the_default_fits_and_eager_is_seen_to_fail() -> None:
    record, finding, foreseen = run("default")
    assert finding.outcome is Outcome.PASS, finding.cause
    assert "eager" in finding.cause
    [card] = record.probes["memory.as_stated"].data["cards"]
    assert WEIGHTS < card["peak_allocated_bytes"] < 18 * GIB
    assert runs_of(record)["eager"]["status"] == "out_of_memory"
    assert foreseen.outcome is Outcome.PASS, foreseen.cause
    [peak] = [
        row
        for row in foreseen.evidence["predicted_and_measured"]
        if (row["run"], row["what"]) == ("as stated", "peak allocated")
    ]
    assert abs(peak["error_percent"]) < 0.5
    [history] = record.probes["memory.as_stated"].data["history"]
    held = [moment["held"] for moment in history["moments"]]
    top = max(sum(kinds.values()) for kinds in held)
    assert abs(top / card["peak_allocated_bytes"] - 1) < 0.02
    assert any(kinds.get("kv_cache") for kinds in held)


def test_a_long_prompt_in_eager_is_cured_without_touching_the_prompt() -> None:
    _, finding, _ = run("prompt-eager")
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.evidence["failure"]["phase"] == "text"
    assert any(fix.verified for fix in finding.fixes)


def test_all_logits_of_one_forward_pass_are_the_peak_and_can_be_left_out() -> None:
    _, finding, _ = run("forward-logits")
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.evidence["failure"]["phase"] == "logits"
    [cure] = [fix for fix in finding.fixes if fix.code and "logits_to_keep=1" in fix.code]
    assert cure.verified


def test_attention_part_by_part() -> None:
    record, finding, foreseen = run("by-part")
    selected = record.probes["memory.as_stated"].data["selected"]
    assert selected == {"vision": "sdpa", "text": "eager"}
    assert finding.outcome is Outcome.PASS, finding.cause
    assert foreseen.outcome is Outcome.PASS, foreseen.cause


def test_the_card_is_left_as_it_was_found() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    torch.cuda.mem_get_info(0)
    before, _ = torch.cuda.mem_get_info(0)
    run("default")
    after, _ = torch.cuda.mem_get_info(0)
    assert abs(after - before) < 16 * 2**20


def test_weights_that_do_not_fit_are_named() -> None:
    _, finding, _ = run("too-small")
    assert finding.outcome is Outcome.FAIL, finding.cause
    assert finding.evidence["failure"]["phase"] == "load"
    assert finding.evidence["failure"]["module"].endswith(".weight")


def test_a_second_gpu_does_not_help_eager() -> None:
    record, finding, _ = run("two-gpus-eager")
    assert finding.outcome is Outcome.FAIL, finding.cause
    failure = finding.evidence["failure"]
    assert (failure["phase"], failure["gpu"]) == ("vision", 0)
    assert failure["requested_bytes"] in (16 * 14400**2 * 2, 16 * 14400**2 * 4)
    assert record.probes["memory.as_stated"].data["placement"]["model.visual"] == "0"
    assert runs_of(record)["sdpa"]["status"] == "ran"


def test_two_gpus_share_the_weights() -> None:
    record, finding, foreseen = run("two-gpus-default")
    assert foreseen.outcome is Outcome.PASS, foreseen.cause
    assert finding.outcome is Outcome.PASS, finding.cause
    cards = record.probes["memory.as_stated"].data["cards"]
    assert len(cards) == 2
    assert all(card["weights_bytes"] > 6 * GIB for card in cards)
