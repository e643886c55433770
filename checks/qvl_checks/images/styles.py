"""The two published ways of writing an image processor's limits into a file.

Runs in the target: standard library only, Python 3.9. Values of the published
preprocessor_config.json files of Qwen2.5-VL and Qwen3-VL.
"""

from __future__ import annotations

from typing import Any

PIXELS: dict[str, Any] = {
    "min_pixels": 56 * 56,
    "max_pixels": 12_845_056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}
SIZE: dict[str, Any] = {
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "processor_class": "Qwen3VLProcessor",
}
STYLES = {"pixels": PIXELS, "size": SIZE}
"""``pixels``: Qwen2-VL and Qwen2.5-VL; ``size``: Qwen3-VL and later."""

PIXEL_FAMILIES = ("qwen2_vl", "qwen2_5_vl")


def style_of(model_type: str) -> str:
    """The style of a family's published files."""
    return "pixels" if model_type in PIXEL_FAMILIES else "size"


def limit_of(settings: dict[str, Any]) -> int | None:
    """The most pixels that a file allows; None: it does not say."""
    size = settings.get("size")
    longest = size.get("longest_edge") if isinstance(size, dict) else None
    for value in (settings.get("max_pixels"), longest):
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def floor_of(settings: dict[str, Any]) -> int | None:
    """The fewest pixels that a file allows; None: it does not say."""
    size = settings.get("size")
    shortest = size.get("shortest_edge") if isinstance(size, dict) else None
    for value in (settings.get("min_pixels"), shortest):
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
