"""NCCL over all GPUs, in time or killed; a failure is tried again without direct transfers."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.collective import all_reduce
from qvl_checks.devices.room import cuda_devices
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated
from qvl_checks.memory.cards import GIB, SPARE, Refused, gib

WITHIN_S = 60.0
NEED = GIB
"""NCCL's own buffers, and the tensors."""
WITHOUT_PEER_TRANSFERS = {"NCCL_P2P_DISABLE": "1"}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `CollectiveFacts`."""
    import torch

    try:
        devices = cuda_devices(request)
    except Refused as refusal:
        return {"reason": str(refusal)}
    facts: dict[str, Any] = {"gpus": len(devices), "nccl": _version(torch)}
    if len(devices) < 2:
        return facts
    if not torch.distributed.is_available() or not torch.distributed.is_nccl_available():
        return {**facts, "reason": "this torch is built without NCCL"}
    short = _too_little_free(torch, devices)
    if short:
        return {**facts, "reason": short}
    facts["as_is"] = all_reduce(devices, "nccl", {}, WITHIN_S)
    if facts["as_is"]["status"] != "ok" or any(
        size["wrong_elements"] for size in facts["as_is"]["sizes"]
    ):
        facts["without_peer_transfers"] = all_reduce(
            devices, "nccl", WITHOUT_PEER_TRANSFERS, WITHIN_S
        )
    return facts


def _too_little_free(torch: Any, devices: list[str]) -> str:
    """Why it must not be started; asked in a fork, so that this process stays without CUDA."""
    asked = isolated(lambda: [torch.cuda.mem_get_info(one)[0] for one in devices], 30.0)
    if asked["status"] != "ok":
        return str(asked["reason"])
    for device, free in zip(devices, asked["data"]):
        if free < NEED + SPARE:
            return f"{device} has {gib(free)} free, too little to try NCCL beside its users"
    return ""


def _version(torch: Any) -> str:
    try:
        return ".".join(map(str, torch.cuda.nccl.version()))
    except Exception as error:
        return reason_of(error)
