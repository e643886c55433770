"""A GPU that contradicts itself, the truth, or its identical neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from qvl_checks.devices.consistency_facts import ConsistencyFacts, OperationResult
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed

MAJORITY_OF = 3
"""From this many identical cards on, one that stands alone is the one at fault."""


class Answer(NamedTuple):
    """What one GPU gave for one operation."""

    gpu: int
    operation: str
    result: OperationResult


@check("devices.gpu-inconsistent")
def gpu_inconsistent(
    consistency: ConsistencyFacts,
    torch: TorchFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """Itself first, then float64, then cards of the same kind."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if consistency.reason:
        return blocked(f"nothing was computed: {consistency.reason}")
    answers = [
        Answer(gpu.index, name, result)
        for gpu in consistency.gpus
        for name, result in gpu.operations.items()
        if not result.reason
    ]
    evidence = _evidence(consistency, torch)
    named = {device.index: device.name for device in torch.devices}
    fickle = [answer for answer in answers if answer.result.changed_runs]
    if fickle:
        worst = max(fickle, key=lambda answer: answer.result.changed_runs)
        result = worst.result
        return _failed(
            f"GPU {worst.gpu} ({named.get(worst.gpu)}) gives different answers to the same input",
            f"{worst.operation}: {result.changed_runs} of {result.runs} runs differ from the "
            f"first one, in up to {result.changed_elements} of {result.elements} elements.",
            evidence,
        )
    wrong = [answer for answer in answers if answer.result.wrong]
    if wrong:
        first = wrong[0]
        error = first.result.error
        off = "is not finite" if error is None else f"is off by {error:.2g}"
        return _failed(
            f"GPU {first.gpu} ({named.get(first.gpu)}) computes {first.operation} wrongly",
            f"Its answer {off} against float64 (relative L2); rounding explains "
            f"{first.result.tolerance:g}. It is so in every run: a fault of the card, of its "
            "driver or of the installed kernels.",
            evidence,
        )
    outvoted = list(_outvoted(answers, torch))
    if outvoted:
        gpu, operation, others = outvoted[0]
        return _failed(
            f"GPU {gpu} ({named.get(gpu)}) disagrees with {others} identical ones",
            f"{operation}: the others agree in every bit, it does not.",
            evidence,
        )
    if not answers or not all(gpu.answered for gpu in consistency.gpus):
        return _unfinished(consistency, evidence)
    split = _disagreement(answers, torch)
    if split:
        return inconclusive(
            f"two GPUs of the same kind differ in bits of {split}, each within rounding of the "
            "truth and true to itself: which one is right cannot be told",
            evidence=evidence,
        )
    runs = sum(answer.result.runs for answer in answers)
    return passed(
        f"{len(consistency.gpus)} GPU(s) repeat matrix products and attention bit by bit",
        f"{runs} runs on the same input; the answers lie within rounding of float64, and those "
        "of identical cards are identical.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _failed(title: str, cause: str, evidence: dict[str, Any]) -> Judgement:
    return failed(
        title,
        cause,
        confidence=Confidence.MEASURED,
        evidence=evidence,
        explains=("devices.device-side-assert", "devices.split-model-differs"),
        fixes=[
            Fix.advise(
                "Do not use this GPU until it is mended: hide it with CUDA_VISIBLE_DEVICES, read "
                "its counted errors (devices.gpu-hardware-errors), undo overclocking, and run the "
                "vendor's diagnosis (dcgmi diag -r 3)."
            )
        ],
    )


def _unfinished(consistency: ConsistencyFacts, evidence: dict[str, Any]) -> Judgement:
    left = [gpu for gpu in consistency.gpus if not gpu.answered]
    if not left:
        return inconclusive("no operation could be computed on any GPU", evidence=evidence)
    why = left[0].reason or next((one.reason for one in left[0].operations.values()), "")
    reason = f"GPU {left[0].index} was not compared: {why}"
    if all(gpu.status == "not_run" for gpu in consistency.gpus):
        return blocked(reason)
    return inconclusive(reason, evidence=evidence)


def _alike(answers: list[Answer], torch: TorchFacts) -> Iterator[tuple[str, dict[int, str]]]:
    """Operation and digests by GPU, for each kind of card that is there more than once."""
    kinds = {
        device.index: (device.name, device.capability, device.multiprocessors)
        for device in torch.devices
    }
    for operation in dict.fromkeys(answer.operation for answer in answers):
        for kind in set(kinds.values()):
            digests = {
                answer.gpu: answer.result.digest
                for answer in answers
                if answer.operation == operation and kinds.get(answer.gpu) == kind
            }
            if len(digests) > 1:
                yield operation, digests


def _outvoted(answers: list[Answer], torch: TorchFacts) -> Iterator[tuple[int, str, int]]:
    """(GPU, operation, how many agree against it)."""
    for operation, digests in _alike(answers, torch):
        if len(digests) < MAJORITY_OF:
            continue
        (common, count), *rest = Counter(digests.values()).most_common()
        if rest and count > len(digests) / 2:
            for gpu, digest in digests.items():
                if digest != common:
                    yield gpu, operation, count


def _disagreement(answers: list[Answer], torch: TorchFacts) -> str:
    return next(
        (name for name, digests in _alike(answers, torch) if len(set(digests.values())) > 1), ""
    )


def _evidence(consistency: ConsistencyFacts, torch: TorchFacts) -> dict[str, Any]:
    named = {device.index: device.name for device in torch.devices}
    return {
        "size": consistency.size,
        "answers": [
            {
                "gpu": gpu.index,
                "name": named.get(gpu.index),
                "operation": name,
                "runs": result.runs,
                "changed runs": result.changed_runs,
                "relative error": result.error,
                "tolerance": result.tolerance,
                "digest": result.digest,
                "not run because": result.reason or None,
            }
            for gpu in consistency.gpus
            for name, result in gpu.operations.items()
        ],
    }
