"""memory.co-tenant-memory: fires when others leave too little, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Shard
from qvl_checks.devices.nvml_facts import Gpu, GpuProcess, NvmlFacts
from qvl_checks.memory.co_tenant_memory import co_tenant_memory
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

GIB = 2**30
SEVEN_B = ModelFacts(name="Qwen2.5-VL-7B", source="published", parameters=8_292_166_656)
TINY = ModelFacts(name="tiny", source="tiny")


def card(free_gib: float | None, total_gib: float = 24, index: int = 0, **fields: Any) -> Gpu:
    return Gpu(
        index=index,
        total_bytes=int(total_gib * GIB),
        free_bytes=None if free_gib is None else int(free_gib * GIB),
        **fields,
    )


def judge(
    *cards: Gpu,
    model: ModelFacts = SEVEN_B,
    files: CheckpointFilesFacts | None = None,
    **workload: Any,
) -> Judgement:
    nvml = NvmlFacts(available=True, devices=cards)
    return co_tenant_memory.judge(
        nvml=nvml, model=model, workload=WorkloadFacts(**workload), files=files, host=None
    )


def test_another_process_that_leaves_less_than_the_weights_is_named() -> None:
    found = judge(card(5, processes=(GpuProcess(pid=4711, used_bytes=18 * GIB, name="vllm"),)))
    assert found.outcome is Outcome.FAIL
    assert found.title == "Others hold 19.00 GiB of GPU 0"
    assert "4711" in found.fixes[0].summary and "vllm" in found.fixes[0].summary
    assert "memory.device-0-out-of-memory" in found.explains


def test_memory_without_a_visible_owner_is_said_to_be_so() -> None:
    assert "container or another user" in judge(card(5)).fixes[0].summary


def test_a_free_card_passes() -> None:
    found = judge(card(23.6))
    assert found.outcome is Outcome.PASS
    assert found.title.startswith("No other process")


def test_others_that_leave_enough_are_told_and_pass() -> None:
    found = judge(card(18))
    assert found.outcome is Outcome.PASS
    assert "6.00 GiB" in found.title


def test_a_card_that_is_too_small_anyway_is_not_blamed_on_others() -> None:
    assert judge(card(11, total_gib=12)).outcome is Outcome.PASS


def test_a_device_map_divides_the_weights() -> None:
    two = (card(10), card(10, index=1))
    assert judge(*two).outcome is Outcome.FAIL
    assert judge(*two, device_map="auto").outcome is Outcome.PASS


def test_the_cap_is_what_must_be_free() -> None:
    assert judge(card(20), model=TINY, cap_bytes=22 * GIB).outcome is Outcome.FAIL


def test_without_a_model_amounts_are_told_and_nothing_is_judged() -> None:
    found = judge(card(5), model=TINY)
    assert found.outcome is Outcome.PASS
    assert "no model was named" in found.title


def test_a_folder_counts_with_its_shards() -> None:
    files = CheckpointFilesFacts(
        state="read",
        shards=(Shard(name="model.safetensors", verdict="ok", size_bytes=16 * GIB),),
    )
    folder = ModelFacts(name="mine", source="folder")
    assert judge(card(5), model=folder, files=files).outcome is Outcome.FAIL


def test_unreadable_memory_decides_nothing() -> None:
    assert judge(card(None)).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "nvml", [NvmlFacts(available=False, reason="no NVML"), NvmlFacts(available=True)]
)
def test_without_a_card_the_question_does_not_arise(nvml: NvmlFacts) -> None:
    found = co_tenant_memory.judge(
        nvml=nvml, model=SEVEN_B, workload=WorkloadFacts(), files=None, host=None
    )
    assert found.outcome is Outcome.NOT_APPLICABLE
