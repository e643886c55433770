"""How much of a GPU a measurement may take. Runs in the target; ``torch`` is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qvl_checks.memory.cards import ASSUMED_CONTEXT, GIB, SHARED_FROM, SPARE, Refused, gib

MOST = 2 * GIB
"""What the measurements of these probes may take of each GPU, context included."""


def cuda_devices(request: Mapping[str, Any]) -> list[str]:
    """``cuda:0`` ... as ``devices.torch`` found them, which asked in a fork of its own.

    Raises:
        Refused: there is none, or CUDA cannot be started in a fork of this process.
    """
    import torch

    known = (request.get("inputs") or {}).get("devices.torch") or {}
    rows = known.get("devices") or []
    if torch.cuda._is_in_bad_fork():
        raise Refused("no_cuda", "CUDA was started before this process was forked")
    if not rows:
        raise Refused("no_cuda", known.get("cuda_error") or "torch sees no CUDA device")
    return [f"cuda:{row['index']}" for row in rows]


def claim(
    torch: Any, devices: Sequence[str], need: int, request: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Open a context on each GPU and limit the allocator; one row for each, nothing on a CPU.

    The request's cap holds, and on a card that others use too, `SPARE` is left to them.

    Raises:
        Refused: a card has less to give than the ``need`` in bytes.
    """
    cap = (request.get("workload") or {}).get("cap_bytes")
    known = (request.get("inputs") or {}).get("devices.torch") or {}
    context = known.get("context_bytes") or ASSUMED_CONTEXT
    return [
        _claim(torch, torch.device(device).index or 0, need, cap, context)
        for device in devices
        if torch.device(device).type == "cuda"
    ]


def _claim(torch: Any, index: int, need: int, cap: int | None, context: int) -> dict[str, Any]:
    torch.ones(1, device=f"cuda:{index}")
    free, total = torch.cuda.mem_get_info(index)
    others = max(total - free - torch.cuda.memory_reserved(index) - context, 0)
    limit = allowance(index, free=free, others=others, cap=cap, context=context, need=need)
    torch.cuda.set_per_process_memory_fraction(limit / total, index)
    return {"index": index, "free_bytes": free, "others_bytes": others, "limit_bytes": limit}


def allowance(
    index: int, *, free: int, others: int, cap: int | None, context: int, need: int
) -> int:
    """Bytes that tensors may take of a card with so much free, of which others hold so much.

    Raises:
        Refused: less than the need.
    """
    shared = others > SHARED_FROM
    grant = min(MOST, cap or MOST) - context
    limit = min(grant, free - (SPARE if shared else 0))
    if limit >= need:
        return limit
    who = f"; other processes hold {gib(others)}" if shared else ""
    why = f"of the cap of {gib(cap)} " if cap is not None and limit == grant else ""
    raise Refused(
        "in_use" if shared else "too_small",
        f"{why}GPU {index} can give {gib(max(limit, 0))} to this measurement, which takes "
        f"{gib(need)}{who}",
    )


def refusal_in(reason: str) -> str:
    """The sentence of a `Refused` that came as an outcome's reason from a child."""
    return reason.removeprefix("Refused: ")


def synchronize(torch: Any, *devices: Any) -> None:
    """Wait for everything that was started on these devices; a CPU is never behind."""
    for device in devices:
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
