"""The same matrix products and attention on every GPU, several times each."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.consistency import survey
from qvl_checks.devices.one_by_one import one_by_one
from qvl_checks.devices.room import claim, cuda_devices, refusal_in
from qvl_checks.memory.cards import Refused

SIZE = 2048
NEED = 256 << 20
REPEATS = {"standard": 20, "deep": 400}
CONTEXTS_S = 40.0
GPU_S = {"standard": 15.0, "deep": 40.0}
ALL_S = {"standard": 40.0, "deep": 110.0}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """One piece of work for each GPU; see `ConsistencyFacts`."""
    try:
        devices = cuda_devices(request)
    except Refused as refusal:
        return {"reason": str(refusal)}
    return {"size": SIZE, "gpus": survey_all(devices, SIZE, request)}


def survey_all(devices: list[str], size: int, request: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each of these devices."""
    import torch

    level = "deep" if request.get("level") == "deep" else "standard"

    def prepare() -> Any:
        torch.set_num_threads(2)  # for the reference on the host, also where it is busy
        claim(torch, devices, NEED, request)
        return torch

    def work(torch: Any, index: int) -> dict[str, Any]:
        return {"operations": survey(torch, devices[index], size, REPEATS[level])}

    outcomes = one_by_one(
        len(devices),
        prepare,
        work,
        prepare_s=CONTEXTS_S,
        each_s=GPU_S[level],
        total_s=ALL_S[level],
    )
    rows = []
    for index, outcome in enumerate(outcomes):
        measured = outcome.get("data") or {}
        row = {
            "index": index,
            "status": outcome["status"],
            "reason": refusal_in(outcome.get("reason", "")),
        }
        rows.append({**row, **measured})
    return rows
