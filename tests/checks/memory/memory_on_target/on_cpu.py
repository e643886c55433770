"""The workload on the CPU: a limit of the address space makes allocations fail for real."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path
from typing import Any

from qvl_checks.memory.cards import NoCards, Refused
from qvl_checks.memory.workload_run import WorkloadRun

PIECE = 1 << 17
HOARD: list[bytearray] = []


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run the request's workload.

    ``room`` (bytes) is what may be allocated beyond the model, ``room_for_weights`` what may be
    allocated at all.
    """
    import torch

    from qvl_checks.memory import placement

    torch.set_num_threads(1)
    torch.randn(64, 64) @ torch.randn(64, 64)
    if "room" in request or "room_for_weights" in request:
        filled = placement.fill

        def fill_and_limit(*arguments: Any) -> None:
            if "room_for_weights" in request:
                limit_address_space(request["room_for_weights"])
            filled(*arguments)
            if "room" in request:
                limit_address_space(request["room"])

        placement.fill = fill_and_limit
    workload_run = WorkloadRun(torch, request["model"], request["workload"])
    try:
        workload_run.execute(NoCards())
    except Refused as refusal:
        workload_run.facts.update(status="not_run", obstacle=refusal.kind, reason=str(refusal))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return workload_run.facts


def limit_address_space(room: int) -> None:
    """Let this process take at most ``room`` bytes more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now, resource.RLIM_INFINITY))
    # What the heap has free is mapped already, and no limit would be felt before it is used up.
    with contextlib.suppress(MemoryError):
        while True:
            HOARD.append(bytearray(PIECE))
    resource.setrlimit(resource.RLIMIT_AS, (now + room, resource.RLIM_INFINITY))
