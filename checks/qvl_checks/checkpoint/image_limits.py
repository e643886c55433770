"""The pixel limits that a checkpoint's image processor is loaded with."""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import setting, vision_part, whole_number
from qvl_checks.memory.pixels import PUBLISHED_LIMITS
from qvl_doctor.facts import ModelFacts

MERGE = 2
"""Patches per side that become one visual token."""
NESTED = "processor_config.json"
FLAT = "preprocessor_config.json"


class ImageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in pixels, and where they are from."""

    fewest: int
    most: int
    unit: int
    """Side in pixels of the square that becomes one visual token: 28 or 32."""
    source: str
    """A file name, or ``published``: the folder sets none."""
    key: str = ""

    @property
    def most_tokens(self) -> int:
        """Visual tokens of an image as large as the limit."""
        return self.most // self.unit**2


def image_limits(files: CheckpointFilesFacts, model: ModelFacts) -> ImageLimits:
    """The folder's limits, else the published ones of the family.

    From 5.0 on processors are saved into processor_config.json, and what stands there wins.
    ``max_pixels`` wins over ``size.longest_edge``, as in the processor's constructor.
    """
    patch = whole_number(vision_part(model.config).get("patch_size")) or 14
    nested = setting(files, NESTED).get("image_processor")
    name, settings = (NESTED, nested) if isinstance(nested, dict) else (FLAT, setting(files, FLAT))
    patch = whole_number(settings.get("patch_size")) or patch
    fewest, most = PUBLISHED_LIMITS.get(patch, PUBLISHED_LIMITS[16])
    merge = whole_number(settings.get("merge_size")) or MERGE
    size: Any = settings.get("size")
    size = size if isinstance(size, dict) else {}
    limit, key = whole_number(settings.get("max_pixels")), "max_pixels"
    if limit is None:
        limit, key = whole_number(size.get("longest_edge")), "size.longest_edge"
    least = whole_number(settings.get("min_pixels")) or whole_number(size.get("shortest_edge"))
    return ImageLimits(
        fewest=least or fewest,
        most=limit or most,
        unit=patch * merge,
        source=name if limit else "published",
        key=key if limit else "",
    )
