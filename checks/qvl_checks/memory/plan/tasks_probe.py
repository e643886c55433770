"""One part of a plan, in the target: the stated workload, a limit, or the search for a cure.

``request``: model, workload (WorkloadFacts and what `qvl_checks.memory.trace.predict_probe` takes
beyond it), gpus (as `qvl_checks.memory.forecast.Forecast` takes them), task, seconds (of work, and
a few times as many on the clock).
"""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.forecast import Forecast, OutOfTime, Unpredictable

STATED, CURES = "stated", "cures"
PATIENCE = 4
"""Seconds on the clock for each second of work: the machine may be busy."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """``status``: done, unpredictable or out_of_time (both with a reason); ``answer`` if done."""
    from qvl_checks.memory.plan.cures import Cures
    from qvl_checks.memory.plan.limits import LIMITS

    seconds = request["seconds"]
    forecast = Forecast(
        request["model"],
        request["workload"],
        request["gpus"],
        PATIENCE * seconds,
        work_seconds=seconds,
    )
    task = request["task"]
    try:
        if task == STATED:
            answer = forecast.predict({})
        elif task == CURES:
            answer = Cures(forecast, request).search()
        else:
            answer = LIMITS[task](forecast, request)
    except Unpredictable as error:
        return {"status": "unpredictable", "reason": str(error)}
    except OutOfTime:
        return {"status": "out_of_time", "reason": "no time was left"}
    return {"status": "done", "reason": "", "answer": answer}
