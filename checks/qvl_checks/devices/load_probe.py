"""A short load on all GPUs at once, with the driver asked meanwhile."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.load import load_devices
from qvl_checks.devices.nvml_library import Nvml
from qvl_checks.devices.room import claim, cuda_devices, refusal_in
from qvl_checks.host.isolated import isolated
from qvl_checks.memory.cards import SHARED_FROM, Refused, gib

SIZE = 4096
NEED = 320 << 20
SECONDS = {"standard": 1.5, "deep": 6.0}
WITHIN_S = 50.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `LoadFacts`; in a fork, because a card in trouble may not answer any more."""
    try:
        devices = cuda_devices(request)
    except Refused as refusal:
        return {"reason": str(refusal)}
    known = request["inputs"]["devices.torch"]["devices"]
    uuids = {f"cuda:{row['index']}": row.get("uuid") or "" for row in known}
    seconds = SECONDS["deep" if request.get("level") == "deep" else "standard"]
    outcome = isolated(lambda: _loaded(devices, uuids, seconds, request), WITHIN_S)
    if outcome["status"] != "ok":
        return {"reason": refusal_in(outcome["reason"])}
    return {"seconds": seconds, "size": SIZE, "gpus": outcome["data"]}


def _loaded(
    devices: list[str], uuids: dict[str, str], seconds: float, request: dict[str, Any]
) -> list[dict[str, Any]]:
    import torch

    for row in claim(torch, devices, NEED, request):
        if row["others_bytes"] > SHARED_FROM:
            raise Refused(
                "in_use",
                f"other processes hold {gib(row['others_bytes'])} of GPU {row['index']}; a load "
                "would disturb them, and its figures would say nothing",
            )
    cards: dict[str, Any] = {}
    unread: dict[str, str] = {}
    try:
        nvml = Nvml()
    except OSError as error:
        unread = dict.fromkeys(devices, str(error))
    else:
        for device in devices:
            try:
                cards[device] = nvml.card(uuids[device])
            except OSError as error:
                unread[device] = str(error)

    def read(device: str) -> dict[str, Any]:
        return cards[device].reading() if device in cards else {}

    rows = load_devices(torch, devices, SIZE, seconds, read)
    return [
        {**row, "index": index, "unread": unread.get(device, "")}
        for index, (device, row) in enumerate(zip(devices, rows))
    ]
