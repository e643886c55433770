"""Searches, by prediction, for what would make the workload fit, and for the largest image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qvl_checks.memory import changes
from qvl_checks.memory.changes import Change
from qvl_checks.memory.forecast import Forecast, OutOfTime, Unpredictable, largest
from qvl_checks.memory.pixels import limits
from qvl_checks.memory.predicted_probe import gpus_at_hand
from qvl_checks.models.build import MERGE, make_config

SECONDS = 150.0
"""For all predictions together."""
STATED = "memory.as_stated"
FEWEST_TOKENS = 64
"""Visual tokens of an image below which no limit on pixels is proposed."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Candidates in the order in which they should be tried; the largest square image."""
    stated = request["inputs"][STATED]
    if stated["status"] == "not_run":
        return {"status": "not_run", "obstacle": stated["obstacle"], "reason": stated["reason"]}
    return Search(request, stated).facts()


ACCURACY = 0.02
"""Of the largest limit on pixels: what fits with a little room is as good a limit."""


class Search:
    """Keeps what has been found, so that running out of time loses nothing."""

    def __init__(self, request: dict[str, Any], stated: dict[str, Any]) -> None:
        self._workload = request["workload"]
        self._stated = stated
        self._model = request["model"]
        self._gpus = gpus_at_hand(request)
        self._visible = len((request["inputs"].get("devices.torch") or {}).get("devices") or ())
        self._forecast = Forecast(self._model, self._workload, self._gpus, SECONDS)
        self._found: list[dict[str, Any]] = []
        self._largest: dict[str, Any] | None = None
        self._notes: list[str] = []

    def facts(self) -> dict[str, Any]:
        """Everything that was found."""
        alternatives = changes.implementations(self._stated.get("selected") or {})
        self._part("attention", lambda: self._consider(alternatives))
        if self._stated["status"] == "out_of_memory":
            self._part("small changes", self._small)
            self._part("max_pixels", self._pixels)
        self._part("largest image", self._square)
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

    def _consider(self, several: list[Change]) -> None:
        for change in several:
            row: dict[str, Any] = {"name": change.name, "changes": dict(change.fields)}
            try:
                answer = self._forecast.predict(change.fields)
            except Unpredictable as error:
                row.update(fits=None, reason=str(error))
            else:
                row.update(fits=answer["fits"], devices=answer["devices"])
            self._found.append(row)

    def _small(self) -> None:
        can = changes.offered(self._model, make_config(dict(self._model["config"])))
        prediction = self._forecast.predict({})
        several = changes.small_changes(self._workload, prediction, self._gpus, self._visible, can)
        self._consider(list(several))
        if self._workload["batch"] > 1:
            self._batch()

    def _batch(self) -> None:
        most = largest(
            lambda count: self._forecast.fits({"batch": count}), 1, self._workload["batch"] - 1
        )
        if most is not None:
            self._consider([Change(f"batch={most}", {"batch": most})])

    def _pixels(self) -> None:
        """The largest limit on pixels with which it fits, with the stated attention or another."""
        if not self._workload["images"]:
            return
        unit = self._unit()
        sizes = (self._stated.get("load") or {}).get("images") or self._workload["images"]
        now = max(width * height for width, height in sizes) // unit**2
        others = [one["changes"] for one in self._found if "attention" in one["changes"]]
        for extra in ({}, *others):
            most = self._most_tokens(extra, unit, now)
            if most is not None:
                name = ", ".join([*extra.values(), f"max_pixels={most * unit**2}"])
                self._consider([Change(name, {**extra, "max_pixels": most * unit**2})])
                return

    def _most_tokens(self, extra: dict[str, Any], unit: int, now: int) -> int | None:
        guess = scaled(now, self._forecast.predict(extra)["devices"])
        return largest(
            lambda tokens: self._forecast.fits({**extra, "max_pixels": tokens * unit**2}),
            FEWEST_TOKENS,
            now - 1,
            guess=guess,
            accuracy=ACCURACY,
        )

    def _square(self) -> None:
        """The largest square image in the place of every stated one."""
        unit, count = self._unit(), max(len(self._workload["images"]), 1)
        _, most = limits(unit // MERGE, self._model.get("path"))
        ceiling = math.isqrt(most) // unit
        guess = None
        if self._workload["images"]:
            now = max(width * height for width, height in self._workload["images"])
            tokens = scaled(now // unit**2, self._forecast.predict({})["devices"])
            guess = math.isqrt(tokens)
        side = largest(
            lambda units: self._forecast.fits(square(units * unit, count)),
            math.isqrt(FEWEST_TOKENS),
            ceiling,
            guess=guess,
        )
        if side is None:
            return
        self._largest = {
            "side": side * unit,
            "unit": unit,
            "images": count,
            "at_the_limit": side == ceiling,
            "devices": self._forecast.predict(square(side * unit, count))["devices"],
        }

    def _unit(self) -> int:
        """Side in pixels of the square that becomes one visual token."""
        config = make_config(dict(self._model["config"]))
        return int(config.vision_config.patch_size) * MERGE


def square(side: int, count: int) -> dict[str, Any]:
    """The change to ``count`` square images of this side."""
    return {"images": [[side, side]] * count}


def scaled(tokens: int, devices: Sequence[Mapping[str, Any]]) -> int:
    """About how many visual tokens fit, from the prediction for ``tokens`` of them.

    What is not weights grows with the tokens, or with their square where the largest tensor has
    two equal sides.
    """
    guesses = []
    for device in devices:
        used = device["peak_allocated_bytes"] - device["weights_bytes"]
        room = device["usable_bytes"] - device["weights_bytes"]
        shape = (device["largest_tensor"] or {}).get("shape") or (1, 2)
        power = 0.5 if len(shape) > 1 and shape[-1] == shape[-2] else 1.0
        guesses.append(tokens * (max(room, 0) / max(used, 1)) ** power)
    return max(int(min(guesses)), 1)
