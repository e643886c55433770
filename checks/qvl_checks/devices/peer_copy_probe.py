"""Copies tensors between every ordered pair of GPUs; a pair that hangs is killed and named."""

from __future__ import annotations

import itertools
from typing import Any

from qvl_checks.devices.one_by_one import one_by_one
from qvl_checks.devices.peer_copies import MIB, Case, cases, compare_pair, follow_chain
from qvl_checks.devices.room import claim, cuda_devices, refusal_in
from qvl_checks.memory.cards import Refused

MANY_PAIRS = 20
MOST_CHAINS = 24
CONTEXTS_S = 40.0
"""For opening a context on every GPU."""
PAIR_S = {"standard": 15.0, "deep": 60.0}
ALL_S = {"standard": 20.0, "deep": 160.0}
COPIES_HELD = 5
"""Tensors of the largest size that one GPU holds at the worst moment, with a margin."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """One piece of work for each ordered pair and each chain; see `PeerCopyFacts`."""
    try:
        devices = cuda_devices(request)
    except Refused as refusal:
        return {"device_count": 0, "reason": str(refusal)}
    return {"device_count": len(devices), **matrix(devices, request)}


def matrix(devices: list[str], request: dict[str, Any]) -> dict[str, Any]:
    """One row for each ordered pair of these devices, and for chains over three of them."""
    import torch

    numbers = range(len(devices))
    pairs = list(itertools.permutations(numbers, 2))
    chains = chains_of(len(devices))
    level = "deep" if request.get("level") == "deep" else "standard"
    sizes = cases(level, len(pairs))
    repeats = 1 if len(pairs) > MANY_PAIRS else 2

    def prepare() -> Any:
        # Comparing waits for memory; on a busy machine further threads only wait for each other.
        torch.set_num_threads(1)
        claim(torch, devices, need(sizes), request)
        return torch

    def work(torch: Any, index: int) -> dict[str, Any]:
        if index >= len(pairs):
            return follow_chain(torch, [devices[one] for one in chains[index - len(pairs)]])
        source, target = (devices[one] for one in pairs[index])
        return {
            "peer_access": _peer_access(torch, source, target),
            "sizes": compare_pair(torch, source, target, sizes, repeats),
        }

    outcomes = one_by_one(
        len(pairs) + len(chains),
        prepare,
        work,
        prepare_s=CONTEXTS_S,
        each_s=PAIR_S[level],
        total_s=ALL_S[level],
    )
    return {
        "pairs": [
            {"source": source, "target": target, **_row(outcome)}
            for (source, target), outcome in zip(pairs, outcomes)
        ],
        "chains": [
            {"gpus": chain, **_row(outcome)}
            for chain, outcome in zip(chains, outcomes[len(pairs) :])
        ],
    }


def chains_of(count: int) -> list[tuple[int, ...]]:
    """Every order of three devices; where there are many, neighbours in both directions."""
    chains: list[tuple[int, ...]] = list(itertools.permutations(range(count), 3))
    if len(chains) <= MOST_CHAINS:
        return chains
    rows = [tuple((start + step) % count for step in range(3)) for start in range(count)]
    return [*rows, *(row[::-1] for row in rows)]


def _row(outcome: dict[str, Any]) -> dict[str, Any]:
    reason = refusal_in(outcome.get("reason", ""))
    return {"status": outcome["status"], "reason": reason, **(outcome.get("data") or {})}


def need(sizes: tuple[Case, ...]) -> int:
    """Bytes that the largest of these cases takes on one GPU."""
    return max(64 * MIB, COPIES_HELD * max(case.bytes for case in sizes))


def _peer_access(torch: Any, source: str, target: str) -> bool | None:
    if torch.device(source).type != "cuda":
        return None
    return bool(torch.cuda.can_device_access_peer(source, target))
