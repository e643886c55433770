"""How large one quantity of a workload may become, everything else as stated. Standard library
only: runs in the target."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from qvl_checks.memory.forecast import Forecast, OutOfTime
from qvl_checks.memory.pixels import limits
from qvl_checks.memory.plan.search import Look, largest
from qvl_checks.models.build import MERGE, make_config

SMALLEST_SIDE = 4
"""Visual tokens per side of the smallest square image that is looked at."""
AT_LEAST = "no time was left to look at more"
NOTICED_S = 3.0
"""From so many seconds of one prediction on, those of a larger one are foreseen."""
TEXT_STEP = 64
"""Tokens; the longest prompt is found in steps of so many."""
MOST_SIDE = 16_384
MOST_IMAGES = 1024
MOST_PROMPTS = 4096
MOST_FRAMES = 768
"""What the published video processors sample at most."""
FRAMES_STEP = 2
"""Frames that become one in time (``temporal_patch_size`` of every family)."""
USUAL_VIDEO = (640, 480)
POSITIONS = 32_768
"""Tokens, where a config does not say how many positions the model knows."""


class Scale(NamedTuple):
    """One quantity: how a workload with so many steps of it is made, and what bounds it."""

    step: int
    smallest: int
    most: int
    bound: str
    """What forbids more than ``most``."""
    begin: int = 8
    """Steps at which the search begins."""
    growth: int = 4
    """By which factor it goes up at most."""
    power: int = 1
    """Memory grows with this power of it."""
    slack: float = 1 / 32
    """Which part of the answer need not be known."""

    def found(self, steps: int | None) -> dict[str, Any]:
        """The answer for a number of steps; 0: not even the smallest fits."""
        if steps is None:
            return {"value": 0, "bound": None}
        return {"value": steps * self.step, "bound": self.bound if steps == self.most else None}


def largest_square(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """Pixels per side, when every image is a square of that size (one, if none is stated), as far
    as the processor makes them."""
    unit, most = _unit(request), processor_side(request)
    scale = _square(unit, most // unit, "the processor's max_pixels")
    return _searched(forecast, scale, lambda side: _squares(request, side), at_least=False)


def largest_square_in_memory(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """The same for what reaches the model, whatever the processor allows; and what it allows."""
    unit = _unit(request)
    bound = f"the search ends at {MOST_SIDE} px"
    scale = _square(unit, MOST_SIDE // unit, bound)
    found = _searched(forecast, scale, lambda side: {**_squares(request, side), "resize": False})
    return {**found, "processor": processor_side(request)}


def processor_side(request: Mapping[str, Any]) -> int:
    """Pixels per side of the largest square image that the processor makes."""
    unit = _unit(request)
    _, most = limits(unit // MERGE, request["model"].get("path"))
    return math.isqrt(most) // unit * unit


def most_images(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """How many images of the size of the largest stated one."""
    images = request["workload"]["images"]
    if not images:
        return {"value": None, "bound": None, "reason": "no image is stated"}
    image = max(images, key=lambda size: int(size[0]) * int(size[1]))
    scale = Scale(1, 1, MOST_IMAGES, f"the search ends at {MOST_IMAGES}")
    found = _searched(forecast, scale, lambda count: {"images": [image] * count})
    return {**found, "size": image}


def longest_video(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """Frames of one video, of the size of the stated one or a usual one, in place of all images
    and videos."""
    videos = request["workload"].get("videos") or ()
    width, height = videos[0][:2] if videos else USUAL_VIDEO
    scale = Scale(
        FRAMES_STEP, 2, MOST_FRAMES // FRAMES_STEP, "what the video processor samples at most"
    )
    found = _searched(
        forecast, scale, lambda frames: {"images": [], "videos": [[width, height, frames]]}
    )
    return {**found, "size": [width, height]}


def longest_text(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ordinary prompt tokens, images and videos as stated."""
    config = _config(request)
    positions = getattr(config.get_text_config(), "max_position_embeddings", None) or POSITIONS
    scale = Scale(
        TEXT_STEP, 1, max(positions // TEXT_STEP, 1), "the positions that the model knows"
    )
    return _searched(forecast, scale, lambda tokens: {"text_tokens": tokens})


def largest_batch(forecast: Forecast, request: Mapping[str, Any]) -> dict[str, Any]:
    """Prompts at once."""
    scale = Scale(1, 1, MOST_PROMPTS, f"the search ends at {MOST_PROMPTS}")
    return _searched(forecast, scale, lambda prompts: {"batch": prompts})


SQUARE = "largest_square_px"
LIMITS = {
    SQUARE: largest_square_in_memory,
    "most_images": most_images,
    "longest_video_frames": longest_video,
    "longest_text_tokens": longest_text,
    "largest_batch": largest_batch,
}


def margin(devices: Any) -> int:
    """Bytes that the tightest device has beyond its peak in tensors."""
    return min(int(one["usable_bytes"]) - int(one["peak_allocated_bytes"]) for one in devices)


def _searched(
    forecast: Forecast, scale: Scale, changed: Any, *, at_least: bool = True
) -> dict[str, Any]:
    """``at_least``: what is known to fit is an answer, too, when time runs out."""
    cost, dearest, fitting = 0.0, 0, 0

    def look(steps: int) -> Look:
        nonlocal cost, dearest, fitting
        foreseen = cost * (steps / max(dearest, 1)) ** scale.power
        if cost > NOTICED_S and foreseen > forecast.seconds_left:
            raise OutOfTime
        began = time.process_time()
        prediction = forecast.predict(changed(steps * scale.step))
        if steps > dearest:
            cost, dearest = time.process_time() - began, steps
        if prediction["fits"]:
            fitting = max(fitting, steps)
        return Look(bool(prediction["fits"]), margin(prediction["devices"]))

    try:
        steps = largest(
            look,
            scale.smallest,
            scale.most,
            begin=scale.begin,
            growth=scale.growth,
            power=scale.power,
            slack=scale.slack,
        )
    except OutOfTime:
        if not fitting or not at_least:
            raise
        return {"value": fitting * scale.step, "bound": AT_LEAST}
    return scale.found(steps)


def _square(unit: int, most: int, bound: str) -> Scale:
    """The side of a square in visual tokens, to the last one. In earnest it begins at 32, and twice
    the side are four times as many patches."""
    return Scale(unit, SMALLEST_SIDE, most, bound, begin=32, growth=2, power=2, slack=0.0)


def _squares(request: Mapping[str, Any], side: int) -> dict[str, Any]:
    return {"images": [[side, side]] * max(len(request["workload"]["images"]), 1)}


def _unit(request: Mapping[str, Any]) -> int:
    """Side in pixels of the square that becomes one visual token."""
    return int(_config(request).vision_config.patch_size) * MERGE


def _config(request: Mapping[str, Any]) -> Any:
    return make_config(dict(request["model"]["config"]))
