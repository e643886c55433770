"""Runs one piece of work in a process of its own, within a time limit.

Runs in the target: standard library only. What a run out of memory leaves behind in CUDA ends with
the process; the caller must not have opened CUDA itself, since no fork survives that.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any


class Lost(Exception):
    """The work gave no answer; the message says why, in one sentence."""


def in_own_process(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What ``work`` returns, plain data.

    Where a process cannot be forked, it is called directly, without a limit.

    Raises:
        Lost: it raised, died, or took longer than ``seconds``.
    """
    if not hasattr(os, "fork"):
        return work()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _answer(work, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        raw = _read(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if raw is None:
        raise Lost(f"it took longer than {seconds:.0f} s and was ended")
    if not raw:
        raise Lost(f"its process died with signal {os.WTERMSIG(status)}")
    answer = json.loads(raw)
    if "lost" in answer:
        raise Lost(answer["lost"])
    found: dict[str, Any] = answer["found"]
    return found


def _answer(work: Callable[[], dict[str, Any]], writing: int) -> None:
    try:
        text = json.dumps({"found": work()}, allow_nan=False)
    except BaseException as error:
        text = json.dumps({"lost": f"{type(error).__name__}: {error}"[:2000]})
    with os.fdopen(writing, "w") as stream:
        stream.write(text)


def _read(reading: int, deadline: float) -> bytes | None:
    """Everything until the other end closes; None when the deadline comes first."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return None
        part = os.read(reading, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)
