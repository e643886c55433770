"""Searches, by prediction, for what would make the workload fit, and for the largest image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qvl_checks.memory import changes
from qvl_checks.memory.forecast import Forecast, OutOfTime, Unpredictable
from qvl_checks.memory.plan.cures import Cures
from qvl_checks.memory.plan.limits import largest_square
from qvl_checks.memory.predicted_probe import gpus_at_hand
from qvl_checks.models.build import MERGE, make_config

SECONDS = 240.0
"""For all predictions together."""
FOR_THE_IMAGE = 120.0
"""Of them, for the largest image."""
STATED = "memory.as_stated"


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Candidates in the order in which they should be tried; the largest square image."""
    stated = request["inputs"][STATED]
    if stated["status"] == "not_run":
        return {"status": "not_run", "obstacle": stated["obstacle"], "reason": stated["reason"]}
    return Search(request, stated).facts()


class Search:
    """Keeps what has been found, so that running out of time loses nothing."""

    def __init__(self, request: dict[str, Any], stated: dict[str, Any]) -> None:
        self._stated = stated
        self._asked = {
            "model": request["model"],
            "workload": request["workload"],
            "gpus": gpus_at_hand(request),
        }
        self._found: list[dict[str, Any]] = []
        self._largest: dict[str, Any] | None = None
        self._notes: list[str] = []

    def facts(self) -> dict[str, Any]:
        """Everything that was found."""
        self._part("largest image", self._square)
        if self._stated["status"] == "out_of_memory":
            self._part("changes", self._cures)
        else:
            self._part("attention", self._others)
        return {
            "status": "searched",
            "candidates": self._found,
            "largest_image": self._largest,
            "notes": self._notes,
        }

    def _part(self, what: str, search: Callable[[], None]) -> None:
        try:
            search()
        except OutOfTime:
            self._notes.append(f"{what}: no time was left")
        except Exception as error:
            self._notes.append(f"{what}: {type(error).__name__}: {error}"[:500])

    def _forecast(self, seconds: float) -> Forecast:
        asked = self._asked
        return Forecast(asked["model"], asked["workload"], asked["gpus"], seconds)

    def _cures(self) -> None:
        forecast = self._forecast(SECONDS - FOR_THE_IMAGE)
        # What is found here is run, in one process.
        found = Cures(forecast, self._asked, processes=False).search()
        self._notes += found["notes"]
        for row in found["tried"]:
            self._keep(row["fields"], row["fits"], row["reason"], row["devices"])

    def _others(self) -> None:
        forecast = self._forecast(SECONDS - FOR_THE_IMAGE)
        for fields in changes.others(self._stated.get("selected") or {}):
            try:
                answer = forecast.predict(fields)
            except Unpredictable as error:
                self._keep(fields, None, str(error), [])
            else:
                self._keep(fields, answer["fits"], "", answer["devices"])

    def _keep(self, fields: Any, fits: bool | None, reason: str, devices: list[Any]) -> None:
        self._found.append(
            {
                "name": changes.name_of(fields),
                "changes": dict(fields),
                "fits": fits,
                "reason": reason,
                "devices": [_without_history(device) for device in devices],
            }
        )

    def _square(self) -> None:
        """The largest square image in the place of every stated one."""
        forecast = self._forecast(FOR_THE_IMAGE)
        found = largest_square(forecast, self._asked)
        side, count = found["value"], max(len(self._asked["workload"]["images"]), 1)
        if not side:
            self._notes.append("largest image: not even the smallest is predicted to fit")
            return
        self._largest = {
            "side": side,
            "unit": self._unit(),
            "images": count,
            "at_the_limit": found["bound"] is not None,
            "devices": [
                _without_history(device)
                for device in forecast.predict(square(side, count))["devices"]
            ],
        }

    def _unit(self) -> int:
        """Side in pixels of the square that becomes one visual token."""
        config = make_config(dict(self._asked["model"]["config"]))
        return int(config.vision_config.patch_size) * MERGE


def square(side: int, count: int) -> dict[str, Any]:
    """The change to ``count`` square images of this side."""
    return {"images": [[side, side]] * count}


def _without_history(device: dict[str, Any]) -> dict[str, Any]:
    """Memory over time is told of the stated workload only: it is long."""
    return {name: value for name, value in device.items() if name != "history"}
