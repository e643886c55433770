"""The workload really run on the CPU, with the tiny model of the real architecture.

A limit of the address space plays the small card: allocations then fail for real, with the number
of bytes in the message, so that what the tracer says can be compared with what was asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.memory.change_facts import CANDIDATES, FIXES, LARGEST_IMAGE
from qvl_checks.memory.failed_tensor import recognise
from qvl_checks.memory.run_facts import AS_STATED, RunAsStated
from qvl_checks.models.catalogue import published_config, resolve
from qvl_doctor.facts import ProbeStatus

MIB = 2**20
GIB = 2**30
PATCHES = 80 * 80
"""Of a 1120x1120 image."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits the address space as Linux does"
)


@pytest.fixture
def target(shared_agent: SharedAgent) -> SharedAgent:
    return shared_agent


def answer(client: SharedAgent, entry: str, request: dict[str, Any]) -> Any:
    record = client.run(entry, request, 120)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return record.data


def tiny(path: Path | None = None) -> dict[str, Any]:
    """The default architecture with a few layers; as a published model, or a checkpoint."""
    model = msgspec.to_builtins(resolve("Qwen2.5-VL-7B"))
    return {**model, "config": model["tiny_config"], "path": str(path) if path else None}


def workload(**changes: Any) -> dict[str, Any]:
    return {
        "images": [[1120, 1120]],
        "text_tokens": 50,
        "new_tokens": 2,
        "batch": 1,
        "attention": None,
        "dtype": "float32",
        "device_map": None,
        "cap_bytes": None,
        **changes,
    }


def run(client: SharedAgent, attention: str | None, **others: Any) -> RunAsStated:
    load = {**others.pop("workload", workload()), "attention": attention}
    model = others.pop("model", tiny())
    request = {"model": model, "workload": load, **others}
    return msgspec.convert(answer(client, "memory_on_target.on_cpu:run", request), RunAsStated)


def test_a_run_to_the_end(target: SharedAgent) -> None:
    facts = run(target, None)
    assert facts.status == "ran", facts.reason
    assert facts.load is not None
    assert facts.load.patches == (PATCHES,)
    assert facts.load.prompt_tokens == 50 + PATCHES // 4 + 2
    assert facts.new_tokens == 2
    assert set(facts.selected) == {"vision", "text"}
    assert facts.weights == "random"
    assert facts.weights_need_bytes is not None
    assert 0 <= facts.weights_by_device["cpu"] - facts.weights_need_bytes < 4096  # rotary buffers


def test_a_video_in_one_forward_pass(target: SharedAgent) -> None:
    load = workload(images=[[56, 56]], videos=[[112, 112, 5]], mode="forward")
    facts = run(target, None, workload=load)
    assert facts.status == "ran", facts.reason
    assert facts.mode == "forward"
    assert facts.new_tokens is None
    assert facts.load is not None
    assert facts.load.video_patches == (3 * 8 * 8,)
    assert facts.load.prompt_tokens == 50 + (4 + 2) + (3 * 16 + 2)


def test_attention_part_by_part(target: SharedAgent) -> None:
    facts = run(target, "vision=sdpa,text=eager", workload=workload(images=[[112, 112]]))
    assert facts.status == "ran", facts.reason
    assert facts.selected == {"vision": "sdpa", "text": "eager"}
    assert facts.names == "vision sdpa, text eager"


def test_changes_that_generate_takes(target: SharedAgent) -> None:
    load = workload(images=[[112, 112]], prefill_chunk_size=16, max_pixels=64 * 28 * 28)
    facts = run(target, None, workload=load)
    assert facts.status == "ran", facts.reason
    assert facts.new_tokens == 2


def test_logits_of_the_last_position(target: SharedAgent) -> None:
    load = workload(images=[], text_tokens=20, mode="forward", logits_to_keep=1)
    assert run(target, None, workload=load).status == "ran"


def test_a_limit_on_pixels_scales_the_images(target: SharedAgent) -> None:
    facts = run(target, None, workload=workload(max_pixels=64 * 28 * 28))
    assert facts.load is not None
    assert facts.load.images == ((224, 224),)


def test_the_tensor_that_does_not_fit_is_named(target: SharedAgent) -> None:
    """Eager, 2 heads: scores of 2 x 6400 x 6400 fp32 numbers, 312.5 MiB, in 250 MiB."""
    facts = run(target, "eager", room=250 * MIB)
    assert facts.status == "out_of_memory"
    failure = facts.failure
    assert failure is not None and failure.tensor is not None
    assert failure.phase == "vision"
    assert failure.module.endswith("visual.blocks.1.attn")  # block 0 attends in windows
    assert failure.tensor.shape[-2:] == (PATCHES, PATCHES)
    assert failure.tensor.dtype == "float32"
    assert failure.tensor.bytes == 2 * PATCHES**2 * 4
    # The allocator's own number, not ours:
    assert f"tried to allocate {failure.tensor.bytes} bytes" in failure.message
    assert (failure.requested_bytes, failure.requested_exact) == (failure.tensor.bytes, True)
    assert failure.file == "transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py"
    assert failure.function == "eager_attention_forward"
    assert failure.code is not None and "matmul" in failure.code
    culprit = recognise(failure, facts.load, tiny()["config"])
    assert (culprit.kind, culprit.count, culprit.factor) == ("vision", PATCHES, 2)


def test_the_same_limit_is_enough_for_sdpa(target: SharedAgent) -> None:
    assert run(target, "sdpa", room=250 * MIB).status == "ran"


def test_scores_over_the_prompt(target: SharedAgent) -> None:
    """Text eager, 4 heads: 4 x 4000 x 4000 fp32 numbers, 244 MiB, in 200 MiB."""
    load = workload(images=[], text_tokens=4000)
    facts = run(target, "eager", room=200 * MIB, workload=load)
    failure = facts.failure
    assert failure is not None and failure.tensor is not None
    assert failure.phase == "text"
    assert failure.module.endswith("layers.0.self_attn")
    culprit = recognise(failure, facts.load, tiny()["config"])
    assert (culprit.kind, culprit.count, culprit.factor) == ("text", 4000, 4)


def test_weights_that_do_not_fit(target: SharedAgent) -> None:
    facts = run(target, None, room_for_weights=24 * MIB)
    failure = facts.failure
    assert facts.status == "out_of_memory"
    assert failure is not None and failure.tensor is not None
    assert failure.phase == "load"
    assert failure.module.endswith((".weight", ".bias"))
    assert recognise(failure, None, {}).words == f"the weight {failure.module}"


def test_an_implementation_that_cannot_be_selected(target: SharedAgent) -> None:
    facts = run(target, "flex_attention_of_tomorrow")
    assert (facts.status, facts.obstacle) == ("not_run", "unavailable")
    assert "flex_attention_of_tomorrow" in facts.reason


@pytest.mark.slow
def test_a_checkpoint_is_loaded_and_gives_its_own_numbers(
    target: SharedAgent, tmp_path: Path
) -> None:
    saved = answer(
        target, "memory_on_target.checkpoints:save", {"model": tiny(), "path": str(tmp_path)}
    )
    facts = run(target, "sdpa", model=tiny(tmp_path))
    assert facts.status == "ran", facts.reason
    assert facts.weights == "checkpoint"
    assert facts.weights_need_bytes == saved["bytes"]
    assert facts.load is not None and facts.load.images == ((1120, 1120),)


def test_dispatched_random_weights_compute_what_the_plain_model_computes(
    target: SharedAgent,
) -> None:
    facts = answer(target, "memory_on_target.planning:dispatched", {"config": tiny()["config"]})
    assert facts["hooked"] > 0
    assert facts["finite"]
    assert facts["same"]


@pytest.mark.parametrize(
    ("name", "device_map", "vision"),
    [
        ("Qwen2.5-VL-7B", "auto", "cuda:0"),
        ("Qwen2.5-VL-7B", "sequential", "cuda:0"),
        ("Qwen2.5-VL-7B", "balanced_low_0", "cuda:1"),
        ("Qwen2-VL-2B", "auto", "cuda:0"),
    ],
)
def test_the_plan_for_two_cards(
    target: SharedAgent, name: str, device_map: str, vision: str
) -> None:
    free = int(23.2 * GIB)
    request = {"config": published_config(name), "free": [free] * 2, "device_map": device_map}
    planned = answer(target, "memory_on_target.planning:run", request)
    model = resolve(name)
    assert model is not None and model.parameters is not None
    assert sum(planned["sizes"].values()) == 2 * model.parameters
    assert planned["vision"] == [vision]
    assert max(planned["sizes"].values()) < free
    if device_map == "auto":
        assert min(planned["sizes"].values()) > 0.3 * model.parameters
    assert planned["buffers"] == ["cpu"]


def test_a_plan_that_leaves_the_cards_is_refused(target: SharedAgent) -> None:
    request = {
        "config": published_config("Qwen2.5-VL-7B"),
        "free": [4 * GIB] * 2,
        "device_map": "auto",
    }
    planned = answer(target, "memory_on_target.planning:run", request)
    assert planned["refused"] == "offloaded"
    assert planned["reason"].startswith("device_map='auto' moves weights to the ")


def test_the_probes_say_that_there_is_no_cuda(target: SharedAgent) -> None:
    request = {"model": tiny(), "workload": workload(), "inputs": {}}
    stated = answer(target, AS_STATED.entry, request)
    if stated["status"] != "not_run":
        pytest.skip("this machine has a GPU; tests/gpu covers it")
    assert stated["obstacle"] == "no_cuda"
    request["inputs"] = {"memory.as_stated": stated}
    for probe in (CANDIDATES, FIXES, LARGEST_IMAGE):
        found = answer(target, probe.entry, request)
        assert found["status"] == "not_run"
        assert "CUDA" in found["reason"]
        request["inputs"][probe.id] = found


def test_no_model_was_named(target: SharedAgent) -> None:
    request = {"model": {**tiny(), "source": "tiny"}, "workload": workload(), "inputs": {}}
    assert answer(target, AS_STATED.entry, request)["obstacle"] == "no_model"


def test_the_peak_is_credited_to_the_module_that_made_it(target: SharedAgent) -> None:
    peaks = answer(target, "memory_on_target.peaks:run", {})
    assert peaks == {
        "0": {"bytes": 900, "module": "layers.1.mlp", "phase": "text"},
        "1": {"bytes": 70, "module": "visual.blocks.0", "phase": "vision"},
    }
