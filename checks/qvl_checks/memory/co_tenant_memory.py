"""memory.co-tenant-memory: what other processes hold, against what this workload needs at least."""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.devices.gpu_presence import without_gpu
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

GIB = 2**30
ELEMENT_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
WORTH_NAMING = GIB
"""Bytes that a desktop and idle contexts hold without anybody minding."""


@check("memory.co-tenant-memory")
def co_tenant_memory(
    nvml: NvmlFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    files: CheckpointFilesFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """Fails when a card is large enough for its share, and what others leave of it is not.

    The driver was asked before the doctor's own probes took anything. The share is the stated cap,
    or the weights divided by the cards of a device map: a lower bound, never a prediction.
    """
    absence = without_gpu(nvml, host)
    if absence is not None:
        return absence
    evidence: dict[str, Any] = {"gpus": [_row(card) for card in nvml.devices]}
    cards = [card for card in nvml.devices if card.total_bytes and card.free_bytes is not None]
    if not cards:
        return inconclusive("the driver does not tell how much memory is free", evidence=evidence)
    share = least_share(model, workload, files, len(cards))
    if share is not None:
        evidence["needed_at_least_gib"] = round(share / GIB, 2)
        short = [card for card in cards if _free(card) < share <= (card.total_bytes or 0)]
        if short:
            return failed(
                "; ".join(f"Others hold {_held(card)} of GPU {card.index}" for card in short),
                f"The workload needs at least {share / GIB:.2f} GiB of a card, and other processes "
                "leave less. A card has no quota per process.",
                confidence=Confidence.MEASURED,
                evidence=evidence,
                fixes=[Fix.advise(_advice(card), safety=Safety.REVIEW) for card in short],
                explains=["memory.device-0-out-of-memory"],
            )
    held = sum(card.total_bytes - _free(card) for card in cards if card.total_bytes)
    if held < WORTH_NAMING * len(cards):
        title = "No other process holds GPU memory worth naming"
    elif share is None:
        title = f"Other processes hold {held / GIB:.2f} GiB of GPU memory; no model was named"
    else:
        title = f"Other processes hold {held / GIB:.2f} GiB and leave room for the weights"
    return passed(title, confidence=Confidence.MEASURED, evidence=evidence)


def least_share(
    model: ModelFacts, workload: WorkloadFacts, files: CheckpointFilesFacts | None, cards: int
) -> int | None:
    """The least that one card must give, in bytes; None when no real model was named."""
    if workload.cap_bytes:
        return workload.cap_bytes
    weights = None
    if model.parameters is not None:
        weights = model.parameters * ELEMENT_BYTES[workload.dtype]
    elif files is not None and files.shards:
        weights = sum(shard.size_bytes or 0 for shard in files.shards)
    if not weights:
        return None
    return weights // cards if workload.device_map else weights


def _row(card: Gpu) -> dict[str, Any]:
    return {
        "index": card.index,
        "name": card.name,
        "total_gib": _gib(card.total_bytes),
        "free_gib": _gib(card.free_bytes),
        "processes": [
            {"pid": process.pid, "name": process.name, "gib": _gib(process.used_bytes)}
            for process in card.processes or ()
        ],
    }


def _advice(card: Gpu) -> str:
    names = ", ".join(
        f"process {process.pid} ({process.name or 'name not readable'}, "
        f"{process.used_bytes / GIB:.2f} GiB)"
        for process in card.processes or ()
        if process.used_bytes
    )
    if not names:
        return (
            f"No process that this user can see owns the memory of GPU {card.index}: it belongs to "
            "a container or another user; ask the administrator, or take another card with "
            "CUDA_VISIBLE_DEVICES, set before Python starts."
        )
    return (
        f"On GPU {card.index}: {names}. End what is yours and forgotten, lower an inference "
        "server's reservation, or take another card with CUDA_VISIBLE_DEVICES, set before Python "
        "starts."
    )


def _free(card: Gpu) -> int:
    return card.free_bytes or 0


def _held(card: Gpu) -> str:
    return f"{((card.total_bytes or 0) - _free(card)) / GIB:.2f} GiB"


def _gib(count: int | None) -> float | None:
    return None if count is None else round(count / GIB, 2)
