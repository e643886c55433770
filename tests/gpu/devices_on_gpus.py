"""Planted faults on real GPUs, for an agent to run as it runs probes."""

from __future__ import annotations

import itertools
from typing import Any

from qvl_checks.devices import peer_copy_probe
from qvl_checks.devices.collective import all_reduce
from qvl_checks.devices.consistency import OPERATIONS, survey
from qvl_checks.devices.copy_ways import WAYS
from qvl_checks.devices.one_by_one import one_by_one
from qvl_checks.devices.peer_copies import LARGE, SMALL, compare_pair

HANG_CYCLES = 30_000_000_000
"""About fifteen seconds of a kernel that only waits."""


def _in_child(work: Any) -> Any:
    """This process stays without CUDA, as a probe does."""
    [outcome] = one_by_one(
        1, lambda: None, lambda known, index: work(), prepare_s=10, each_s=60, total_s=70
    )
    if outcome["status"] != "ok":
        raise RuntimeError(outcome["reason"])
    return outcome["data"]


def damaged_copies(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Real copies, of which ``to`` loses the second half of every tensor on the way."""
    import torch

    def half_lost(source: Any, poisoned: Any) -> Any:
        arrived = source.to(poisoned.device)
        arrived[arrived.numel() // 2 :] = 0
        return arrived

    def work() -> list[dict[str, Any]]:
        ways = {**WAYS, "to": half_lost}
        return compare_pair(torch, "cuda:0", "cuda:1", (*SMALL, LARGE), 1, ways)

    rows: list[dict[str, Any]] = _in_child(work)
    return [{"source": 0, "target": 1, "status": "ok", "sizes": rows}]


def hanging_copies(request: dict[str, Any]) -> dict[str, Any]:
    """All pairs; on the way from the first to the second card a kernel does not end."""

    def stuck(torch: Any, source: str, target: str, sizes: Any, *rest: Any) -> Any:
        if source == "cuda:0":
            with torch.cuda.device(target):
                torch.cuda._sleep(HANG_CYCLES)
        return compare_pair(torch, source, target, SMALL, 1)

    peer_copy_probe.compare_pair = stuck
    peer_copy_probe.PAIR_S = {"standard": 6.0}
    return peer_copy_probe.matrix(["cuda:0", "cuda:1"], request)


def flipped_bit(request: dict[str, Any]) -> dict[str, Any]:
    """A card that gets one bit of one element wrong in one run of many."""
    import torch

    runs = itertools.count()

    def now_and_then(torch: Any, inputs: Any) -> Any:
        answer = inputs["a"] @ inputs["b"]
        if next(runs) == 7:
            answer.view(torch.int16)[100, 3] ^= 1
        return answer

    fickle = OPERATIONS["matmul bfloat16"]._replace(call=now_and_then)
    operations = {**OPERATIONS, "matmul bfloat16": fickle}
    rows: dict[str, Any] = _in_child(lambda: survey(torch, "cuda:0", 1024, 20, operations))
    return rows


def sum_without_peer_transfers(request: dict[str, Any]) -> dict[str, Any]:
    """NCCL over both cards with the setting that the rule offers."""
    return all_reduce(["cuda:0", "cuda:1"], "nccl", {"NCCL_P2P_DISABLE": "1"}, 60)
