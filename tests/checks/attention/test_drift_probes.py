"""The drift probes, run for real in the target of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import QVL_CHECKS, SharedAgent

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import DRIFT, DriftFacts
from qvl_checks.attention.model_drift_facts import MODEL_DRIFT, ModelDriftFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus, WorkloadFacts

NON_CAUSAL = """
import pathlib, shutil, tempfile
from qvl_checks.attention import cure, model_drift_probe

def run(request):
    folder = pathlib.Path(tempfile.mkdtemp())
    for file in cure.FOLDER.iterdir():
        kept = [line for line in file.read_text().splitlines() if "MaskInterface.reg" not in line]
        (folder / file.name).write_text("\\n".join(kept))
    cure.FOLDER = folder
    try:
        return model_drift_probe.run(request)
    finally:
        shutil.rmtree(folder)
"""


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With a cure that lacks its mask."""
    shared_agent.plant("non_causal", NON_CAUSAL)
    return shared_agent


def request(model: str, level: str = "quick", **workload: Any) -> dict[str, Any]:
    return {
        "level": level,
        "model": msgspec.to_builtins(resolve(model)),
        "workload": msgspec.to_builtins(WorkloadFacts(**workload)),
        "inputs": {},
    }


def drift(client: SharedAgent, **wishes: Any) -> DriftFacts:
    record = client.run(DRIFT.entry, request("Qwen2.5-VL-7B", **wishes), DRIFT.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    return msgspec.convert(record.data, DriftFacts)


def model_drift(
    client: SharedAgent, model: str = "Qwen2.5-VL-7B", entry: str = MODEL_DRIFT.entry, **wishes: Any
) -> ModelDriftFacts:
    record = client.run(entry, request(model, **wishes), MODEL_DRIFT.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, ModelDriftFacts)


def errors(facts: DriftFacts, name: str, dtype: str = "bfloat16") -> dict[float, float | None]:
    return {cell.offset: cell.error for cell in facts.of(name, dtype)}


def test_the_installed_eager_follows_the_spacing_of_bfloat16(client: SharedAgent) -> None:
    facts = drift(client)
    assert facts.origins["eager"].endswith("modeling_qwen2_5_vl.eager_attention_forward")
    assert facts.head_dim == 128
    eager = errors(facts, "eager")
    # 0.29 units in the last place: 1/8, 1/2 and 2 at offsets 16, 64 and 256.
    for offset, spacing in ((16.0, 0.125), (64.0, 0.5), (256.0, 2.0)):
        assert eager[offset] == pytest.approx(0.29 * spacing, rel=0.4)
    for sound in (CURE, "sdpa", "sdpa:math"):
        assert max(error or 9.9 for error in errors(facts, sound).values()) < 0.004


def test_float16_logits_overflow_in_eager_only(client: SharedAgent) -> None:
    facts = drift(client)
    last = facts.of("eager", "float16")[-1]
    assert last.offset * 128**0.5 > 65504
    assert last.overflowing > 0
    assert last.error is None and last.nonfinite > 0
    assert all(cell.nonfinite == 0 for cell in facts.of("eager", "float16")[:-1])
    assert all(cell.nonfinite == 0 for cell in facts.of("sdpa", "float16"))
    assert all(cell.nonfinite == 0 for cell in facts.of(CURE, "float16"))


def test_the_same_machine_gives_the_same_numbers(client: SharedAgent) -> None:
    assert drift(client) == drift(client)


def test_float32_is_measured_when_the_workload_asks_for_it(client: SharedAgent) -> None:
    facts = drift(client, dtype="float32")
    assert max(error or 9.9 for error in errors(facts, "eager", "float32").values()) < 0.001


def test_the_cure_is_measured_as_it_is_printed(client: SharedAgent) -> None:
    facts = model_drift(client, attention="eager")
    assert facts.selected == "eager"
    assert facts.has_key_bias
    cells = {cell.implementation: cell.from_float32 for cell in facts.cells}
    assert (cells["eager"].error or 0) > 0.3
    assert (cells["eager"].top1 or 1) < 0.7
    for sound in (CURE, "sdpa"):
        assert (cells[sound].error or 1) < 0.03
        assert (cells[sound].top1 or 0) > 0.9
    assert facts.causal[CURE]
    folder = Path(QVL_CHECKS) / "attention" / "cures"
    assert facts.cure_source == (folder / "fp32_logits.py.txt").read_text()
    compile(f"{facts.cure_source}\n{facts.cure_use}", "<printed>", "exec")


def test_a_cure_without_its_mask_is_seen_not_to_be_causal(client: SharedAgent) -> None:
    facts = model_drift(client, entry="planted.non_causal:run")
    assert facts.causal[CURE] is False
    assert facts.causal["sdpa"] is True


def test_the_drift_grows_with_what_is_planted(client: SharedAgent) -> None:
    facts = model_drift(client, level="standard")
    eager = [cell.from_float32.error or 0.0 for cell in facts.of("eager")]
    assert eager[0] < 0.03
    assert eager[0] < eager[1] < eager[2] < eager[3]
    assert max(cell.from_float32.error or 9.9 for cell in facts.of(CURE)) < 0.03
    # The cure of the vision tower, and the arguments that keep eager out of the language model.
    vision = facts.vision
    assert vision.missing == {}
    assert (vision.offset or 0) > 700
    assert (vision.errors["eager"] or 0) > 0.05
    assert max(vision.errors[name] or 9.9 for name in (CURE, "sdpa")) < 0.01
    plain, apart = facts.alternatives
    assert (plain.text, plain.vision) == ("sdpa", "sdpa")
    assert (apart.text, apart.vision) == ("sdpa", "eager")
    for way in facts.alternatives:
        assert way.from_float32 is not None
        assert (way.from_float32.error or 9.9) < 0.03


def test_float16_overflow_is_run_through_the_model(client: SharedAgent) -> None:
    facts = model_drift(client, attention="eager", dtype="float16")
    assert facts.of("eager")[-1].from_float32.nonfinite > 0
    assert facts.of(CURE)[-1].from_float32.nonfinite == 0


@pytest.mark.parametrize("model", ["Qwen3-VL-8B", "Qwen3-VL-30B-A3B", "Qwen3.5-9B"])
def test_families_with_normalised_keys_have_no_bias_to_plant(
    client: SharedAgent, model: str
) -> None:
    facts = model_drift(client, model)
    assert not facts.has_key_bias
    assert facts.has_key_norm
    assert {cell.offset for cell in facts.cells} == {0.0}


def test_an_implementation_that_is_not_there_is_recorded_with_the_reason(
    client: SharedAgent,
) -> None:
    facts = model_drift(client, attention="no_such_attention")
    assert facts.selected == ""
    assert "no_such_attention" in facts.selected_reason
    assert facts.of("eager"), "the comparison must not depend on it"


def test_an_unknown_family_is_said_to_be_unknown(client: SharedAgent) -> None:
    record = client.run(MODEL_DRIFT.entry, {"model": {"model_type": "other"}}, 30.0)
    assert "not of a family" in record.data["reason"]
