"""What the image processor makes of an image's size. Standard library only: runs in the target."""

from __future__ import annotations

import json
import os
from math import ceil, floor, sqrt
from typing import Any

PUBLISHED_LIMITS = {14: (56 * 56, 12_845_056), 16: (65_536, 16_777_216)}
"""Patch size -> (fewest, most) pixels, as the published preprocessor_config.json files say."""


def limits(patch: int, folder: str | None) -> tuple[int, int]:
    """(fewest, most) pixels of an image: the checkpoint's own, else the published ones."""
    fewest, most = PUBLISHED_LIMITS.get(patch, PUBLISHED_LIMITS[16])
    settings = _settings(folder)
    size = settings.get("size")
    size = size if isinstance(size, dict) else {}
    fewest = _first_int(settings.get("min_pixels"), size.get("shortest_edge"), fewest)
    most = _first_int(settings.get("max_pixels"), size.get("longest_edge"), most)
    return fewest, most


def resized(width: int, height: int, unit: int, fewest: int, most: int) -> tuple[int, int]:
    """(width, height) that the processor scales an image to: multiples of ``unit`` (patch size
    times merge size) with an area within the limits; ``smart_resize`` in transformers'
    image_processing_qwen2_vl.py."""
    new_width, new_height = round(width / unit) * unit, round(height / unit) * unit
    if new_width * new_height > most:
        shrink = sqrt(width * height / most)
        new_width = floor(width / shrink / unit) * unit
        new_height = floor(height / shrink / unit) * unit
    elif new_width * new_height < fewest:
        grow = sqrt(fewest / (width * height))
        new_width = ceil(width * grow / unit) * unit
        new_height = ceil(height * grow / unit) * unit
    return max(new_width, unit), max(new_height, unit)


def _settings(folder: str | None) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        with open(os.path.join(folder, "preprocessor_config.json"), encoding="utf-8") as stream:
            settings = json.load(stream)
    except (OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _first_int(*values: Any) -> int:
    return next(value for value in values if isinstance(value, int) and value > 0)
