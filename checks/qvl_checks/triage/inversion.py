"""From the size of one buffer back to what was computed: patches, prompt tokens, rows of logits.

Attention materialises ``heads x S x S`` elements where it is not fused, the language head ``L x
vocabulary``. So a
buffer's size gives S or L for each element width that the code path can use: 2 bytes (bf16,
fp16) or 4 (fp32: a
model in fp32, the softmax of eager attention, or the math backend of SDPA).
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from .allocation import Bytes
from .knowledge import Family

Kind = Literal["vision", "text", "logits"]
WIDTHS = (4, 2)
MAX_PATCHES = 400_000


class Reading(msgspec.Struct, frozen=True):
    """One way to read a buffer. `count` is patches, tokens or rows; `exact` says that an exact
    byte count divides evenly.
    """

    kind: Kind
    count: int
    width: int
    heads: int
    label: str
    exact: bool


def attention(size: Bytes, heads: int, kind: Kind, label: str) -> list[Reading]:
    """Readings of ``heads * S**2 * width`` bytes, S rounded to what an image or a prompt can
    have."""
    found = []
    for width in WIDTHS:
        s = math.sqrt(size.value / (heads * width))
        if not 16 <= s <= MAX_PATCHES:
            continue
        count = _nearest(size, heads, width, 4 if kind == "vision" else 1)
        exact = size.slack == 0 and heads * count * count * width == size.value
        found.append(Reading(kind, count, width, heads, label, exact))
    return found


def _nearest(size: Bytes, heads: int, width: int, step: int) -> int:
    """The multiple of `step` whose buffer is printed like `size`, the plain root if none is."""
    root = math.sqrt(size.value / (heads * width))
    base = round(root / step) * step
    return (
        base
        if size.near(heads * width * base * base) or (step > 1 and abs(base - root) <= step)
        else round(root)
    )


def logits(size: Bytes, vocab: int, label: str) -> list[Reading]:
    """Readings of ``L * vocab * width`` bytes."""
    found = []
    for width in WIDTHS:
        rows = round(size.value / (vocab * width))
        if 256 <= rows <= 2_000_000:
            found.append(
                Reading(
                    "logits",
                    rows,
                    width,
                    0,
                    label,
                    size.slack == 0 and rows * vocab * width == size.value,
                )
            )
    return found


def smart_resize(
    width: int, height: int, family: Family, min_pixels: int = 3136, max_pixels: int = 12_845_056
) -> tuple[int, int]:
    """(width, height) in pixels that the Qwen-VL image processor resizes an image to.

    Both sides become multiples of ``patch * merge``; the area is then brought into
    [`min_pixels`, `max_pixels`].
    Formula of ``smart_resize`` in transformers' image_processing_qwen2_vl.py.
    """
    factor = family.patch * family.merge
    h, w = max(factor, round(height / factor) * factor), max(factor, round(width / factor) * factor)
    if h * w > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        h, w = (
            math.floor(height / beta / factor) * factor,
            math.floor(width / beta / factor) * factor,
        )
    elif h * w < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        h, w = math.ceil(height * beta / factor) * factor, math.ceil(width * beta / factor) * factor
    return max(factor, w), max(factor, h)


def patches_of(width: int, height: int, family: Family) -> int:
    """Patches of one image after `smart_resize` with the published default limits."""
    limit = 12_845_056 if family.patch == 14 else 16_777_216
    w, h = smart_resize(width, height, family, max_pixels=limit)
    return (w // family.patch) * (h // family.patch)


def image_for(patches: int, patch: int) -> str:
    """Words for the image that `patches` patches of `patch` pixels make."""
    pixels = patches * patch * patch
    side = round(math.sqrt(pixels))
    words = f"about {pixels / 1e6:.1f} megapixels, for example {side}x{side} pixels"
    if abs(patches - 14308) <= 40 and patch == 14:
        words += (
            "; a 2048x1365 photo, the size of the official demo.jpeg, gives 98x146 = 14308 patches"
        )
    if abs(patches - 65536) <= 400:
        words += (
            "; 65536 patches is the cap of the default max_pixels (12845056 at 14 pixels "
            "a patch, 16777216 at 16)"
        )
    return words
