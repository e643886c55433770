"""Images and their patches, in numbers and in words."""

from __future__ import annotations

from math import sqrt

from qvl_checks.memory.pixels import PUBLISHED_LIMITS, resized

from .knowledge import Family

DEMO_PATCHES = 14308
MOST_PATCHES = 65536


def patches_of(width: int, height: int, family: Family) -> int:
    """Patches of one image of that many pixels, with the published limits of the processor."""
    w, h = resized(width, height, family.patch * family.merge, *PUBLISHED_LIMITS[family.patch])
    return (w // family.patch) * (h // family.patch)


def image_for(patches: int, patch: int) -> str:
    """Words for the image that `patches` patches of `patch` pixels a side make."""
    pixels = patches * patch * patch
    side = round(sqrt(pixels))
    words = f"about {pixels / 1e6:.1f} megapixels, for example {side}x{side} pixels"
    if abs(patches - DEMO_PATCHES) <= 40 and patch == 14:
        words += (
            "; a 2048x1365 photo, the size of the official demo.jpeg, gives 98x146 = 14308 patches"
        )
    if abs(patches - MOST_PATCHES) <= 400:
        words += (
            "; 65536 patches is the cap of the default max_pixels (12845056 at 14 pixels a patch, "
            "16777216 at 16)"
        )
    return words
