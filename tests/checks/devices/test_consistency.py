"""A device that contradicts itself, the truth or its like."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import torch

from qvl_checks.devices.consistency import OPERATIONS, Operation, measure, survey
from qvl_checks.devices.consistency_facts import (
    ConsistencyFacts,
    GpuConsistency,
    OperationResult,
)
from qvl_checks.devices.gpu_inconsistent import gpu_inconsistent
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement


def measured(operation: Operation, repeats: int = 4) -> OperationResult:
    return msgspec.convert(measure(torch, "cpu", operation, 96, repeats), OperationResult)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_healthy_device_repeats_itself_and_is_right(name: str) -> None:
    result = measured(OPERATIONS[name])
    assert (result.runs, result.changed_runs, result.wrong) == (4, 0, False)
    assert result.error is not None and result.error < result.tolerance / 2


def test_the_same_input_gives_the_same_digest() -> None:
    first, second = (measured(OPERATIONS["matmul bfloat16"]) for _ in range(2))
    assert first.digest == second.digest != measured(OPERATIONS["matmul float16"]).digest


def faulty(call: Any) -> Operation:
    return OPERATIONS["matmul float32"]._replace(call=call)


def test_one_flipped_bit_in_one_run_is_seen() -> None:
    runs = itertools.count()

    def now_and_then(torch: Any, inputs: Any) -> Any:
        answer = inputs["a"] @ inputs["b"]
        if next(runs) == 2:
            answer.view(torch.int32)[50, 7] ^= 1
        return answer

    result = measured(faulty(now_and_then))
    assert (result.changed_runs, result.changed_elements) == (1, 1)
    assert not result.wrong  # far too small for that, and still a fault


def test_an_answer_that_is_wrong_every_time_is_seen() -> None:
    def always(torch: Any, inputs: Any) -> Any:
        return (inputs["a"] @ inputs["b"]) * 1.01

    result = measured(faulty(always))
    assert result.changed_runs == 0 and result.wrong


def test_nan_is_wrong_and_no_change() -> None:
    def not_a_number(torch: Any, inputs: Any) -> Any:
        return (inputs["a"] @ inputs["b"]) * float("nan")

    result = measured(faulty(not_a_number))
    assert (result.changed_runs, result.finite, result.error, result.wrong) == (
        0,
        False,
        None,
        True,
    )


def test_the_setting_for_tf32_is_left_as_it_was() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    survey(torch, "cpu", 32, 2)
    assert torch.backends.cuda.matmul.allow_tf32 is before


def test_an_operation_that_raises_does_not_end_the_survey() -> None:
    def raises(torch: Any, inputs: Any) -> Any:
        raise RuntimeError("no kernel")

    rows = survey(torch, "cpu", 32, 2, {"a": faulty(raises), **OPERATIONS})
    assert rows["a"] == {"reason": "RuntimeError: no kernel"}
    assert "digest" in rows["matmul float32"]


def test_devices_are_surveyed_in_a_child(on_cpu: Any) -> None:
    gpus = msgspec.convert(on_cpu("consistency", level="standard"), tuple[GpuConsistency, ...])
    assert [(gpu.index, gpu.status) for gpu in gpus] == [(0, "ok"), (1, "ok")]
    assert gpus[0].operations == gpus[1].operations
    assert set(gpus[0].operations) == set(OPERATIONS)


# The rule

GOOD = OperationResult(runs=20, elements=100, error=1e-3, tolerance=1e-2, digest="a")


def judged(*results: OperationResult, status: str = "ok", names: str = "") -> Judgement:
    gpus = tuple(
        GpuConsistency(
            index=index,
            status=status,
            reason="" if status == "ok" else "in use",
            operations={"matmul": result} if status == "ok" else {},
        )
        for index, result in enumerate(results)
    )
    kinds = names or "A" * len(results)
    devices = tuple(TorchDevice(index=index, name=name) for index, name in enumerate(kinds or "A"))
    return gpu_inconsistent.judge(
        consistency=ConsistencyFacts(size=64, gpus=gpus),
        torch=TorchFacts(cuda_built=True, device_count=len(devices), devices=devices),
        nvml=None,
        host=None,
    )


def other(**fields: Any) -> OperationResult:
    return msgspec.structs.replace(GOOD, **fields)


@pytest.mark.parametrize(
    ("results", "outcome", "words"),
    [
        ([GOOD], Outcome.PASS, "bit by bit"),
        ([GOOD, GOOD], Outcome.PASS, "2 GPU(s)"),
        ([GOOD, other(changed_runs=3, changed_elements=1)], Outcome.FAIL, "GPU 1 (A) gives diff"),
        ([other(error=0.5)], Outcome.FAIL, "GPU 0 (A) computes matmul wrongly"),
        ([other(error=None, finite=False)], Outcome.FAIL, "computes matmul wrongly"),
        ([GOOD, GOOD, other(digest="b")], Outcome.FAIL, "GPU 2 (A) disagrees with 2"),
        ([GOOD, other(digest="b")], Outcome.INCONCLUSIVE, "which one is right"),
        ([other(reason="no kernel")], Outcome.INCONCLUSIVE, "no kernel"),
        ([GOOD, other(reason="no kernel")], Outcome.INCONCLUSIVE, "GPU 1 was not compared"),
        ([], Outcome.INCONCLUSIVE, "no operation"),
    ],
)
def test_who_is_named(results: list[OperationResult], outcome: Outcome, words: str) -> None:
    judgement = judged(*results)
    assert judgement.outcome is outcome
    assert words in judgement.title


def test_cards_of_different_kinds_may_differ() -> None:
    assert judged(GOOD, other(digest="b"), names="AB").outcome is Outcome.PASS


def test_what_was_not_run_is_told() -> None:
    assert judged(GOOD, status="not_run").outcome is Outcome.BLOCKED
    assert judged(GOOD, status="timed_out").outcome is Outcome.INCONCLUSIVE
    nothing = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)
    judgement = gpu_inconsistent.judge(
        consistency=ConsistencyFacts(reason="no CUDA"), torch=nothing, nvml=None, host=None
    )
    assert judgement.outcome is Outcome.NOT_APPLICABLE
