"""Predicts the memory of the stated workload on the cards of this machine, without using them."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory import placement
from qvl_checks.memory.cards import Refused
from qvl_checks.memory.forecast import Forecast, gpus_of_machine, gpus_of_run

SECONDS = 60.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """The prediction per card, or why there is none."""
    model, workload = request.get("model") or {}, request["workload"]
    if model.get("source") not in ("published", "folder"):
        return _none("no_model", "no model was named")
    try:
        gpus = gpus_at_hand(request)
    except Refused as refusal:
        return _none("unavailable", str(refusal))
    if not gpus:
        return _none("no_gpu", "this machine has no GPU that torch can use")
    try:
        answer = Forecast(model, workload, gpus, SECONDS).predict({})
    except Exception as error:
        # What the installed release does that the trace cannot follow must not end anything else.
        return _none("untraceable", f"{type(error).__name__}: {error}"[:1000])
    return {**answer, "gpus": gpus}


def gpus_at_hand(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The cards that the workload may use, those of a run as it found and limited them.

    Raises:
        Refused: it names none that is there.
    """
    import torch

    inputs, workload = request.get("inputs") or {}, request["workload"]
    gpus = gpus_of_machine(inputs.get("devices.torch") or {}, workload)
    if not gpus:
        return []
    chosen = placement.indices(torch, workload["device_map"], len(gpus))
    # The others stand behind the first: a change may divide the model among all of them.
    seen = gpus if 0 in chosen else [gpu for gpu in gpus if gpu["index"] in chosen]
    ran = {
        gpu["index"]: gpu
        for gpu in gpus_of_run((inputs.get("memory.as_stated") or {}).get("cards") or ())
    }
    return [ran.get(gpu["index"], gpu) for gpu in seen]


def _none(obstacle: str, reason: str) -> dict[str, Any]:
    return {"status": "not_run", "obstacle": obstacle, "reason": reason}
