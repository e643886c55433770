"""Predictions of the stated workload and of changes to it, for the cards at hand.

Runs in the target on the CPU: standard library at module level. See
`qvl_checks.memory.trace.predict_probe` for what is predicted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from qvl_checks.memory.cards import ASSUMED_CONTEXT, SHARED_FROM, SPARE
from qvl_checks.memory.placement import safetensors_bytes
from qvl_checks.models.attention_wish import argument

KERNELS = 74 * 2**20
"""What the kernels that a run loads add to a bare context: H100 and H200, torch 2.11."""


class OutOfTime(Exception):
    """The predictions made so far are all that there will be."""


class Unpredictable(Exception):
    """The trace cannot follow this workload; the message says why."""


class Forecast:
    """Predicts for one model, one workload and these cards; remembers what it has predicted."""

    def __init__(
        self,
        model: Mapping[str, Any],
        workload: Mapping[str, Any],
        gpus: Sequence[Mapping[str, Any]],
        seconds: float,
        *,
        work_seconds: float | None = None,
    ) -> None:
        """``gpus`` as from `gpus_of_run` or `gpus_of_machine`; ``seconds``: for all predictions;
        ``work_seconds``: of this process's own, so that a busy machine finds no less."""
        # Nothing here may wake a driver, or take memory on a card, through a lazy initialisation.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._model = model
        self._workload = workload
        self._gpus = gpus
        self._machine = {
            "gpus": [
                {
                    "capacity_bytes": gpu["usable_bytes"] + gpu["context_bytes"],
                    "context_bytes": gpu["context_bytes"],
                }
                for gpu in gpus
            ],
            "capability": gpus[0]["capability"],
            "loading": "from_pretrained" if safetensors_bytes(model.get("path")) else "one_by_one",
        }
        self._deadline = time.monotonic() + seconds
        self._work_deadline = time.process_time() + (work_seconds or seconds)
        self._known: dict[str, dict[str, Any]] = {}

    @property
    def seconds_left(self) -> float:
        """For further predictions."""
        work = self._work_deadline - time.process_time()
        return min(self._deadline - time.monotonic(), work)

    def predict(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What `qvl_checks.memory.trace.predict_probe:run` says of the changed workload.

        Raises:
            OutOfTime: there is none left to begin another one.
            Unpredictable: it cannot be predicted.
        """
        from qvl_checks.memory.trace import predict_probe

        key = repr(sorted(changes.items()))
        if key not in self._known:
            if self.seconds_left <= 0:
                raise OutOfTime
            workload = {**self._workload, **changes, **self._machine}
            workload["attention"] = argument(workload["attention"])
            if str(workload["device_map"]).startswith("cuda"):
                # The one card that is named is the first of those that are handed over.
                workload["device_map"] = None
            answer = predict_probe.run({"model": self._model, "workload": workload})
            if answer["status"] != "predicted":
                raise Unpredictable(answer["reason"])
            for place, device in enumerate(answer["devices"]):
                device["index"] = self._gpus[place]["index"]
            self._known[key] = answer
        return self._known[key]


def gpus_of_run(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cards of a run (`qvl_checks.memory.cards.Cards.rows`), as it found and limited them."""
    return [
        {
            "index": card["index"],
            "name": card["name"],
            "capability": card["capability"],
            "total_bytes": card["total_bytes"],
            "context_bytes": card["context_bytes"],
            "usable_bytes": card["free_bytes"]
            if card["limit_bytes"] is None
            else card["limit_bytes"],
        }
        for card in cards
    ]


def gpus_of_machine(
    torch_facts: Mapping[str, Any], workload: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The cards that torch sees, with what a run may use of each: as `Cards` would limit it."""
    bare = torch_facts.get("context_bytes") or ASSUMED_CONTEXT
    context = bare + KERNELS
    found = []
    for device in torch_facts.get("devices") or ():
        total, free = device.get("total_bytes"), device.get("free_bytes")
        if total is None or free is None:
            continue
        if workload["cap_bytes"] is not None:
            usable = min(workload["cap_bytes"] - context, free - KERNELS)
        elif total - free - bare > SHARED_FROM:
            usable = free - KERNELS - SPARE
        else:
            usable = free - KERNELS
        found.append(
            {
                "index": device["index"],
                "name": device["name"],
                "capability": device["capability"],
                "total_bytes": total,
                "context_bytes": context,
                "usable_bytes": max(usable, 0),
            }
        )
    return found
