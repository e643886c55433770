"""Calls that may kill the process, made in a fork. Runs in the target: standard library only.

A probe already runs in a child of its own. Where the death of the call is itself the fact (an
extension module that segfaults, a kernel that aborts), the probe makes the call one level further
down, so that it survives to tell.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

CHUNK_BYTES = 1 << 16
OUTPUT_LIMIT = 8 * 1024 * 1024


def isolated(call: Callable[[], Any], within_s: float) -> dict[str, Any]:
    """What became of ``call``, which returns JSON data.

    The answer has a ``status``: ``ok`` with ``data``; ``raised`` with ``reason`` and ``chain``;
    ``crashed`` with ``reason`` and ``signal`` or ``exit_code``; ``timed_out`` with ``reason``.
    Without fork (Windows, macOS) the call is made in this process.
    """
    if not (hasattr(os, "fork") and sys.platform.startswith("linux")):
        return outcome_of(call)
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            payload = json.dumps(outcome_of(call), allow_nan=False).encode()
            while payload:
                payload = payload[os.write(write_end, payload) :]
            sys.stderr.flush()
        finally:
            os._exit(0)
    os.close(write_end)
    try:
        raw = _read(read_end, time.monotonic() + within_s)
    finally:
        os.close(read_end)
    if raw is None:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
        return {"status": "timed_out", "reason": f"no answer within {within_s:g} s"}
    _, status = os.waitpid(child, 0)
    try:
        outcome: dict[str, Any] = json.loads(raw)
    except ValueError:
        return _death(status)
    return outcome


def outcome_of(call: Callable[[], Any]) -> dict[str, Any]:
    """The call made here, its exception as data, causes first-hand to root."""
    try:
        return {"status": "ok", "data": call()}
    except BaseException as error:
        chain = chain_of(error)
        return {"status": "raised", "reason": " <- ".join(chain)[:4000], "chain": chain}


def chain_of(error: BaseException | None) -> list[str]:
    """The error and what caused it, the root last; lazy importers hide the root."""
    chain: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen and len(chain) < 10:
        seen.add(id(error))
        chain.append(f"{type(error).__name__}: {error}"[:2000])
        error = error.__cause__ or error.__context__
    return chain


def _read(descriptor: int, deadline: float) -> bytes | None:
    """Everything until the other side closes; None when it does not within the time."""
    collected = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            return bytes(collected)
        collected += chunk[: OUTPUT_LIMIT - len(collected)]


def _death(status: int) -> dict[str, Any]:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return {"status": "crashed", "signal": name, "reason": f"the process was ended by {name}"}
    code = os.WEXITSTATUS(status)
    return {
        "status": "crashed",
        "exit_code": code,
        "reason": f"the process ended with exit code {code} and no answer",
    }
