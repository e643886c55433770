"""The smallest change that makes a workload fit, found by predicting each. Standard library only:
runs in the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qvl_checks.memory.changes import CHUNK, Offered, offered, room_for_weights
from qvl_checks.memory.forecast import Forecast, OutOfTime, Unpredictable
from qvl_checks.memory.pixels import limits, resized
from qvl_checks.memory.placement import PLANNED
from qvl_checks.memory.plan.limits import FRAMES_STEP, margin
from qvl_checks.memory.plan.search import Look, largest
from qvl_checks.memory.trace.workload import TENSOR_PARALLEL
from qvl_checks.models.attention_wish import argument
from qvl_checks.models.build import MERGE, make_config

NOTHING, SPEED, QUALITY = "nothing", "speed", "quality"
FEWEST_TOKENS = 64
"""Visual tokens of an image below which no limit on pixels is proposed."""
DEFAULT = "sdpa"
FLASH = "flash_attention_2"


class Change(NamedTuple):
    """A change to the workload: fields of it that get new values, and what it costs."""

    fields: Mapping[str, Any]
    costs: str
    condition: str = ""
    """What must be so for it to be possible."""


class Cures:
    """Tries changes, smallest first; what was tried and does not help is kept as well."""

    def __init__(
        self, forecast: Forecast, request: Mapping[str, Any], *, processes: bool = True
    ) -> None:
        """``processes``: whether changes that need several processes are any use."""
        self._forecast = forecast
        self._workload = request["workload"]
        self._gpus = request["gpus"]
        self._model = request["model"]
        config = make_config(dict(self._model["config"]))
        self._can = offered(self._model, config)._replace(processes=processes)
        self._unit = config.vision_config.patch_size * MERGE
        self.tried: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def search(self) -> dict[str, Any]:
        """Every change that was tried, in order, with its prediction."""
        try:
            self._search()
        except OutOfTime:
            self.notes.append("not every change was tried: no time was left")
        return {"tried": self.tried, "notes": self.notes}

    def _search(self) -> None:
        prediction = self._forecast.predict({})
        for change in free(self._workload, prediction, self._gpus, self._can):
            self._try(change)
        best = self._best()
        if best and not self._any_fits():
            # No single change is enough: the others are tried on top of the one that saves most.
            for change in free(
                {**self._workload, **best}, self._forecast.predict(best), self._gpus, self._can
            ):
                if not set(change.fields) <= set(best):
                    self._try(change._replace(fields={**best, **change.fields}))
        if not self._any_fits():
            self._costly(best)

    def _costly(self, best: Mapping[str, Any]) -> None:
        for change in slower(self._workload, self._can):
            self._try(change)
            if best:
                self._try(change._replace(fields={**best, **change.fields}))
        for base in ({}, best) if best else ({},):
            self._try_most("batch", base, SPEED, 1, self._workload["batch"] - 1)
            self._try_pixels(base)
            self._try_frames(base)

    def _any_fits(self) -> bool:
        return any(row["fits"] for row in self.tried)

    def _best(self) -> Mapping[str, Any]:
        """The fields of the change after which most is left; empty if none helps."""
        before = margin(self._forecast.predict({})["devices"])
        known = [row for row in self.tried if row["margin"] is not None]
        top = max(known, key=lambda row: int(row["margin"]), default=None)
        return top["fields"] if top is not None and top["margin"] > before else {}

    def _try(self, change: Change) -> None:
        row: dict[str, Any] = {
            "fields": dict(change.fields),
            "costs": change.costs,
            "condition": change.condition,
            "margin": None,
        }
        if any(row["fields"] == one["fields"] for one in self.tried):
            return
        try:
            prediction = self._forecast.predict(change.fields)
        except Unpredictable as error:
            row.update(fits=None, reason=str(error), devices=[])
        else:
            row.update(
                fits=bool(prediction["fits"]),
                reason="",
                devices=prediction["devices"],
                margin=margin(prediction["devices"]),
            )
        self.tried.append(row)

    def _try_most(
        self, field: str, base: Mapping[str, Any], costs: str, low: int, high: int
    ) -> None:
        most = self._most(low, high, lambda count: {**base, field: count})
        if most is not None:
            self._try(Change({**base, field: most}, costs))

    def _try_pixels(self, base: Mapping[str, Any]) -> None:
        images = self._workload["images"]
        if not images:
            return
        bounds = limits(self._unit // MERGE, self._model.get("path"))
        made = [resized(width, height, self._unit, *bounds) for width, height in images]
        now = max(width * height for width, height in made) // self._unit**2
        most = self._most(
            FEWEST_TOKENS, now - 1, lambda tokens: {**base, "max_pixels": tokens * self._unit**2}
        )
        if most is not None:
            self._try(Change({**base, "max_pixels": most * self._unit**2}, QUALITY))

    def _try_frames(self, base: Mapping[str, Any]) -> None:
        videos = self._workload.get("videos") or ()
        if not videos:
            return

        def shorter(steps: int) -> dict[str, Any]:
            frames = steps * FRAMES_STEP
            return {**base, "videos": [[w, h, min(n, frames)] for w, h, n in videos]}

        longest = max(int(frames) for _, _, frames in videos) // FRAMES_STEP
        most = self._most(1, longest - 1, shorter)
        if most is not None:
            self._try(Change(shorter(most), QUALITY))

    def _most(self, low: int, high: int, changed: Any) -> int | None:
        if high < low:
            return None

        def look(count: int) -> Look:
            prediction = self._forecast.predict(changed(count))
            return Look(bool(prediction["fits"]), margin(prediction["devices"]))

        try:
            return largest(look, low, high)
        except Unpredictable as error:
            self.notes.append(str(error))
            return None


def free(
    workload: Mapping[str, Any],
    prediction: Mapping[str, Any],
    gpus: Sequence[Mapping[str, Any]],
    can: Offered,
) -> Iterator[Change]:
    """Changes that cost neither quality nor speed, smallest first."""
    phases = {
        (device.get("failure") or {}).get("phase") or device["peak_phase"]
        for device in prediction["devices"]
    }
    yield from _attention(workload, can)
    if _fragmented(prediction) and not workload.get("expandable_segments"):
        yield Change({"expandable_segments": True}, NOTHING)
    if workload.get("mode") == "forward" and can.logits_to_keep:
        yield Change(
            {"logits_to_keep": 1}, NOTHING, "only the logits of the last position are used"
        )
    if workload["dtype"] == "float32":
        yield Change({"dtype": "bfloat16"}, NOTHING)
    if workload.get("mode") != "forward" and can.prefill_chunk and phases & {"text", "logits"}:
        yield Change({"prefill_chunk_size": CHUNK}, NOTHING)
    if len(gpus) > 1:
        yield from _placements(workload, prediction, gpus, can)


def _attention(workload: Mapping[str, Any], can: Offered) -> Iterator[Change]:
    """sdpa for each part that has another implementation, for both, and FlashAttention."""
    wish = argument(workload["attention"])
    if not isinstance(wish, dict):
        wish = {"vision_config": wish or DEFAULT, "text_config": wish or DEFAULT}
    vision = wish.get("vision_config") or DEFAULT
    text = wish.get("text_config") or DEFAULT
    if vision == "eager" and text == "eager":
        yield Change({"attention": "vision=sdpa,text=eager"}, NOTHING)
        yield Change({"attention": "vision=eager,text=sdpa"}, NOTHING)
    if {vision, text} != {DEFAULT}:
        yield Change({"attention": DEFAULT}, NOTHING)
    if {vision, text} != {FLASH}:
        needed = "" if can.flash_attention else "flash-attn must be installed"
        yield Change({"attention": FLASH}, NOTHING, needed)


def _fragmented(prediction: Mapping[str, Any]) -> bool:
    """Whether a device fails although its tensors alone would fit."""
    return any(
        one.get("fits") is False and one["peak_allocated_bytes"] <= one["usable_bytes"]
        for one in prediction["devices"]
    )


def _placements(
    workload: Mapping[str, Any],
    prediction: Mapping[str, Any],
    gpus: Sequence[Mapping[str, Any]],
    can: Offered,
) -> Iterator[Change]:
    stated = workload.get("device_map")
    for name in ("auto", "balanced_low_0"):
        if stated != name:
            yield Change({"device_map": name}, NOTHING)
    if stated in PLANNED and not workload.get("max_memory"):
        room = room_for_weights(prediction, gpus)
        if room is not None:
            yield Change({"device_map": "auto", "max_memory": room}, NOTHING)
    if can.processes and stated != TENSOR_PARALLEL:
        condition = "the program is started with torchrun, one process per GPU"
        yield Change({"device_map": TENSOR_PARALLEL}, NOTHING, condition)


def slower(workload: Mapping[str, Any], can: Offered) -> Iterator[Change]:
    """Changes that cost time."""
    if workload.get("mode") != "forward":
        yield Change({"cache_implementation": "offloaded"}, SPEED)
    if workload.get("device_map") not in PLANNED:
        yield Change({"device_map": "auto"}, SPEED, "what does not fit is kept in main memory")
