"""One collective operation over several processes, each with its own device. In the target.

What is asked is whether it ends at all and gives the right sum; every process is a fork that can
be killed, because one that waits for a transfer that never arrives waits for ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from qvl_checks.devices.room import synchronize
from qvl_checks.host.isolated import outcome_of

ROUNDS = 5
SIZES = (1, 1 << 10, 1 << 18, 1 << 24)
"""Elements of float32: 4 bytes to 64 MiB."""
REAP_S = 3.0


def all_reduce(
    devices: Sequence[str],
    backend: str,
    environment: Mapping[str, str],
    within_s: float,
    sizes: Sequence[int] = SIZES,
) -> dict[str, Any]:
    """The outcome of summing over all devices; see `CollectiveRun` of the facts for the fields."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meeting")
        members = [
            _Member(partial(_summed, devices, rank, backend, meeting, environment, sizes))
            for rank in range(len(devices))
        ]
        try:
            outcomes = [member.answer(started + within_s) for member in members]
        finally:
            for member in members:
                member.end()
    worst = next((one for one in outcomes if one["status"] != "ok"), outcomes[0])
    # One that was let down raises; the one that never answers tells more.
    worst = next((one for one in outcomes if one["status"] == "timed_out"), worst)
    return {
        "status": worst["status"],
        "reason": worst.get("reason", ""),
        "seconds": round(time.monotonic() - started, 3),
        "environment": dict(environment),
        "sizes": outcomes[0].get("data") or [],
    }


class _Member:
    """A fork that answers once."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answers, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._answers)
                line = json.dumps(outcome_of(work), allow_nan=False).encode() + b"\n"
                while line:
                    line = line[os.write(write_end, line) :]
            finally:
                os._exit(0)
        os.close(write_end)

    def answer(self, deadline: float) -> dict[str, Any]:
        """Its outcome, if it comes in time."""
        collected = b""
        while not collected.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                return {"status": "timed_out", "reason": "it did not end within the time"}
            chunk = os.read(self._answers, 1 << 16)
            if not chunk:
                return {"status": "crashed", "reason": "a process ended without an answer"}
            collected += chunk
        outcome: dict[str, Any] = json.loads(collected)
        return outcome

    def end(self) -> None:
        """Kill it; one that the kernel cannot end is left behind."""
        os.close(self._answers)
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        deadline = time.monotonic() + REAP_S
        while time.monotonic() < deadline and not os.waitpid(self._pid, os.WNOHANG)[0]:
            time.sleep(0.01)


def _summed(
    devices: Sequence[str],
    rank: int,
    backend: str,
    meeting: str,
    environment: Mapping[str, str],
    sizes: Sequence[int],
) -> list[dict[str, Any]]:
    """One process's part: a row for each size."""
    import torch
    import torch.distributed as distributed

    os.environ.update(environment)
    device, world = devices[rank], len(devices)
    if torch.device(device).type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=world
    )
    rows = []
    for size in sizes:
        pattern = torch.arange(size, device=device, dtype=torch.float32).remainder(1000)
        expected = pattern * world + sum(range(world))
        wrong, seconds = 0, []
        for _ in range(ROUNDS):
            tensor = pattern + rank
            synchronize(torch, device)
            started = time.perf_counter()
            distributed.all_reduce(tensor)
            synchronize(torch, device)
            seconds.append(time.perf_counter() - started)
            wrong += int((tensor != expected).sum())
        rows.append({"bytes": 4 * size, "wrong_elements": wrong, "seconds": min(seconds)})
    distributed.barrier()
    distributed.destroy_process_group()
    return rows
