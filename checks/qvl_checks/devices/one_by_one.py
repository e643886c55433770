"""Many pieces of work in one child, of which each may hang or kill it; runs in the target.

Opening a CUDA context costs more than most measurements, so a child does as many pieces as it
can. The piece that hangs or crashes is known, because every piece is answered at once: it is
recorded, the child is killed, and a new child does the rest.
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
from functools import partial
from typing import Any

from qvl_checks.host.isolated import outcome_of

CHUNK_BYTES = 1 << 16
REAP_S = 2.0
"""How long a killed child may take to disappear; after that it is left behind."""


def one_by_one(
    count: int,
    prepare: Callable[[], Any],
    work: Callable[[Any, int], Any],
    *,
    prepare_s: float,
    each_s: float,
    total_s: float,
) -> list[dict[str, Any]]:
    """The outcome of ``work(prepare(), index)``, JSON data, for every index below ``count``.

    An outcome has a ``status``: ``ok`` with ``data``; ``raised``, ``crashed`` or ``timed_out``
    with ``reason``; ``not_run`` with ``reason`` when the preparation failed or ``total_s`` was
    over, also in the middle of a piece: whether that one would have hung is not known.
    Without fork (Windows, macOS) everything is done in this process.
    """
    deadline = time.monotonic() + total_s
    late = {"status": "not_run", "reason": f"the {total_s:g} s for all of them were over"}
    outcomes: list[dict[str, Any]] = []
    while len(outcomes) < count:
        if time.monotonic() >= deadline:
            outcomes += [late] * (count - len(outcomes))
            break
        child = _Child(prepare, work, len(outcomes), count)
        prepared = child.answer(min(prepare_s, deadline - time.monotonic()))
        if prepared["status"] != "ok":
            child.end()
            outcomes += [{**prepared, "status": "not_run"}] * (count - len(outcomes))
            break
        while len(outcomes) < count:
            left = deadline - time.monotonic()
            outcome = child.answer(min(each_s, left))
            cut_off = outcome["status"] == "timed_out" and left < each_s
            outcomes.append(late if cut_off else outcome)
            if outcome["status"] in ("crashed", "timed_out"):
                break
        child.end()
    return outcomes


class _Child:
    """A fork that answers in lines: one for the preparation, one for each piece of work."""

    def __init__(
        self,
        prepare: Callable[[], Any],
        work: Callable[[Any, int], Any],
        first: int,
        count: int,
    ) -> None:
        self._pending = bytearray()
        self._status: int | None = None
        self._here = None
        if not (hasattr(os, "fork") and sys.platform.startswith("linux")):
            self._here = _outcomes(prepare, work, first, count)
            return
        self._answers, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._answers)
                for outcome in _outcomes(prepare, work, first, count):
                    line = json.dumps(outcome, allow_nan=False).encode() + b"\n"
                    while line:
                        line = line[os.write(write_end, line) :]
                sys.stderr.flush()
            finally:
                os._exit(0)
        os.close(write_end)

    def answer(self, within_s: float) -> dict[str, Any]:
        """The next outcome, or how the child failed to give it."""
        if self._here is not None:
            return next(self._here)
        deadline = time.monotonic() + within_s
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                return {"status": "timed_out", "reason": f"no answer within {within_s:g} s"}
            chunk = os.read(self._answers, CHUNK_BYTES)
            if not chunk:
                return {"status": "crashed", "reason": self._death()}
            self._pending += chunk
        line, _, rest = self._pending.partition(b"\n")
        self._pending = bytearray(rest)
        outcome: dict[str, Any] = json.loads(bytes(line))
        return outcome

    def end(self) -> None:
        """Nothing of it stays, unless the kernel cannot end it."""
        if self._here is not None:
            return
        os.close(self._answers)
        if self._status is None:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> None:
        deadline = time.monotonic() + REAP_S
        while self._status is None and time.monotonic() < deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = status
            else:
                time.sleep(0.005)

    def _death(self) -> str:
        self._reap()
        if self._status is None:
            return "the process gave no further answer and did not end"
        if os.WIFSIGNALED(self._status):
            number = os.WTERMSIG(self._status)
            known = {one.value: one.name for one in signal.Signals}
            return f"the process was ended by {known.get(number, f'signal {number}')}"
        return f"the process ended with exit code {os.WEXITSTATUS(self._status)} and no answer"


def _outcomes(
    prepare: Callable[[], Any], work: Callable[[Any, int], Any], first: int, count: int
) -> Any:
    """The preparation's outcome without its data, then one outcome for each piece."""
    kept = []
    prepared = outcome_of(lambda: kept.append(prepare()))
    prepared.pop("data", None)
    yield prepared
    if not kept:
        return
    for index in range(first, count):
        yield outcome_of(partial(work, kept[0], index))
