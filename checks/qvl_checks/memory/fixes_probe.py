"""Runs what is predicted to make the workload fit, each change in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from qvl_checks.memory.own_process import Lost, in_own_process
from qvl_checks.memory.workload_run import run_on_gpus

STATED, CANDIDATES = "memory.as_stated", "memory.candidates"
SECONDS = 270.0
"""For all runs together."""
LONGEST = 120.0
"""For one run."""
ENOUGH = 3
"""Changes that made it fit; what comes after them is a larger change."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """How each candidate's run ended, in order; those without a run say why."""
    searched = request["inputs"][CANDIDATES]
    if searched["status"] == "not_run":
        return {"status": "not_run", "reason": searched["reason"], "runs": []}
    fitted = request["inputs"][STATED]["status"] == "ran"
    trials = Trials(request)
    rows, cured = [], 0
    for candidate in searched["candidates"]:
        change = candidate["changes"]
        # Where the workload fits, other attention is run to see what it would have cost.
        if not fitted and candidate["fits"] is False:
            facts = trials.skipped("predicted_not_to_fit", "it is predicted not to fit either")
        elif cured >= ENOUGH:
            facts = trials.skipped("enough", "smaller changes were found to be enough")
        else:
            facts = trials.run(change)
        cured += facts["status"] == "ran" and not fitted
        rows.append({"name": candidate["name"], "changes": change, "run": facts})
    return {"status": "tried", "runs": rows}


class Trials:
    """Runs changed workloads one after the other until the time is up."""

    def __init__(self, request: Mapping[str, Any], seconds: float = SECONDS) -> None:
        self._request = request
        self._end = time.monotonic() + seconds
        self._longest = 10.0

    def run(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Facts of one run; not begun when another like the longest so far might not end."""
        left = self._end - time.monotonic()
        if left < 1.5 * self._longest:
            return self.skipped("no_time", "no time was left to run it")
        started = time.monotonic()
        try:
            facts = in_own_process(lambda: run_on_gpus(self._request, changes), min(left, LONGEST))
            # Memory over time is told of the stated workload only: it is long.
            return {**facts, "history": []}
        except Lost as error:
            return self.skipped("lost", str(error))
        finally:
            self._longest = max(self._longest, time.monotonic() - started)

    def skipped(self, obstacle: str, reason: str) -> dict[str, Any]:
        """Facts in the place of a run that was not made."""
        return {"status": "not_run", "obstacle": obstacle, "reason": reason}
