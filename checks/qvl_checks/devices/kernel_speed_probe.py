"""Times operations that have a slow path beside their alternatives, on one GPU of each kind."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.kernel_pairs import BF16, compare, pairs
from qvl_checks.devices.one_by_one import one_by_one
from qvl_checks.devices.room import claim, cuda_devices, refusal_in
from qvl_checks.memory.cards import Refused

NEED = 512 << 20
CONTEXT_S = 30.0
EACH_S = 20.0
ALL_S = 80.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `KernelSpeedFacts`."""
    try:
        devices = cuda_devices(request)
    except Refused as refusal:
        return {"reason": str(refusal)}
    known = request["inputs"]["devices.torch"]["devices"]
    kinds = {(row.get("name"), str(row.get("capability"))): row["index"] for row in known[::-1]}
    rows = []
    for index in sorted(kinds.values()):
        rows += ratios(devices[index], index, request, ALL_S / len(kinds))
    return {"ratios": rows}


def ratios(
    device: str, index: int, request: dict[str, Any], total_s: float = ALL_S
) -> list[dict[str, Any]]:
    """Every pair on one device."""
    import torch

    makers = pairs((request.get("model") or {}).get("config") or {})
    names = list(makers)
    dtype = (request.get("workload") or {}).get("dtype") or "bfloat16"

    def prepare() -> Any:
        claim(torch, [device], NEED, request)
        return torch

    def work(torch: Any, at: int) -> dict[str, Any]:
        return compare(torch, device, makers[names[at]](torch, device, dtype))

    outcomes = one_by_one(
        len(names), prepare, work, prepare_s=CONTEXT_S, each_s=EACH_S, total_s=total_s
    )
    return [
        {
            "name": name,
            "gpu": index,
            "dtype": "bfloat16 against float16" if name == BF16 else dtype,
            "status": outcome["status"],
            "reason": refusal_in(outcome.get("reason", "")),
            **(outcome.get("data") or {}),
        }
        for name, outcome in zip(names, outcomes)
    ]
