"""Runs the largest image that is predicted to fit, and the next one, which must not."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.candidates_probe import square
from qvl_checks.memory.fixes_probe import CANDIDATES, Trials

SECONDS = 150.0
FURTHER = 3
"""Steps by which the measured limit is looked for beyond the predicted one."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Runs on either side of the predicted limit, and on, until both sides are found."""
    searched = request["inputs"][CANDIDATES]
    if searched["status"] == "not_run":
        return {"status": "not_run", "reason": searched["reason"]}
    found = searched["largest_image"]
    if found is None:
        reason = "; ".join(searched["notes"]) or "no image is predicted to fit"
        return {"status": "not_run", "reason": reason}
    trials = Trials(request, SECONDS)
    unit, side = found["unit"], found["side"]
    runs: dict[int, dict[str, Any]] = {}

    def ends(at: int) -> str:
        if at not in runs:
            runs[at] = trials.run(square(at, found["images"]))
        return str(runs[at]["status"])

    # The processor makes no larger images than this: there is nothing above it to try.
    top = side if found["at_the_limit"] else side + FURTHER * unit
    bottom = max(side - FURTHER * unit, unit)
    at = side
    while ends(at) == "ran" and at < top:
        at += unit
    at = side
    while ends(at) == "out_of_memory" and at > bottom:
        at -= unit
    ran = [at for at, facts in runs.items() if facts["status"] == "ran"]
    failed = [at for at, facts in runs.items() if facts["status"] == "out_of_memory"]
    return {
        "status": "tried",
        "predicted_side": side,
        "unit": unit,
        "images": found["images"],
        "at_the_limit": found["at_the_limit"],
        "fits_side": max(ran, default=None),
        "fails_side": min(failed, default=None),
        "runs": [{"side": at, "run": facts} for at, facts in sorted(runs.items())],
    }
