"""What is asked of the small model: prompts whose positions, masks and pictures all differ.

Standard library only at module level; runs in the target.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from qvl_checks.attention.reference.prompts import Family, Row, image, text, video

BOTH = ("forward", "generate")
"""Other paths: ``pieces`` (two calls of the model, the second with the cache of the first) and
``beams`` (the first step of a beam search)."""
WINDOW = 16
LONG = 1100
"""Tokens, beyond the powers of two at which code takes other roads."""
WINDOWED_FAMILIES = ("qwen2_vl", "qwen2_5_vl")
NEEDS = {
    "text": (),
    "long text": (),
    "image": ("image",),
    "image and video": ("image", "video"),
    "two images": ("image",),
    "image, without an attention mask": ("image",),
    "video": ("video",),
    "video with fractional seconds": ("video",),
    "long video": ("long video",),
    "left-padded batch": ("batch",),
    "left-padded batch with and without an image": ("batch",),
    "right-padded batch": ("batch",),
    "image, prefilled in two pieces": ("image",),
    "batch, two beams each": ("batch",),
    "text after another prompt": (),
    "image after another prompt": ("image",),
    "window off": (),
    "window on": (),
}
"""Run -> what a load must hold to meet it."""


class Case(NamedTuple):
    """One prompt, or one batch of them."""

    name: str
    rows: tuple[Row, ...]
    paths: tuple[str, ...] = BOTH
    side: str = "left"
    seconds: float | None = None
    """Between two frames, for families that are told."""
    masked: bool = True
    """Whether an attention mask is passed."""
    after: bool = False
    """Run on a model that has just generated an answer to another prompt with an image."""


def cases(family: Family) -> list[Case]:
    """For one family; sizes are such that height, width and time cannot be taken for one another,
    and images are no multiple of the vision tower's window."""
    picture = (*text(6), *image(family, 10, 14), *text(5))
    short = (*text(3), *image(family, 4, 4), *text(2))
    return [
        Case("text", (text(20),)),
        Case("long text", (text(LONG),)),
        Case("image", (picture,)),
        Case("two images", (_two_images(family),)),
        Case("image, without an attention mask", (picture,), ("forward",), masked=False),
        *_videos(family),
        Case("left-padded batch", (picture, short)),
        Case("left-padded batch with and without an image", (picture, text(8))),
        Case("right-padded batch", (picture, short), ("forward",), side="right"),
        Case("image, prefilled in two pieces", (picture,), ("pieces",)),
        Case("batch, two beams each", (picture, short), ("beams",)),
        Case("text after another prompt", (text(20),), after=True),
        Case("image after another prompt", (short,), after=True),
    ]


def _two_images(family: Family) -> Row:
    first, second = image(family, 4, 8), image(family, 10, 6)
    return (*text(4), *first, *text(3), *second, *text(5))


def _videos(family: Family) -> list[Case]:
    def of(frames: int, rows: int, columns: int, seconds: float) -> tuple[Row, ...]:
        return ((*text(5), *video(family, frames, rows, columns, seconds), *text(5)),)

    found = [Case("video", of(2, 4, 12, 2.0), seconds=2.0)]
    if family.tokens_per_second:
        found.append(Case("video with fractional seconds", of(3, 4, 8, 0.5), seconds=0.5))
    # More time steps than rows or columns: what follows must start behind the last of them.
    both = (*text(4), *video(family, 2, 4, 8, 1.0), *text(3), *image(family, 6, 4), *text(4))
    found.append(Case("image and video", (both,), seconds=1.0))
    found.append(Case("long video", of(6, 4, 4, 1.0), seconds=1.0))
    return found


def eager_cases(family: Family) -> list[Case]:
    """Those in which attention itself can go wrong: grouped heads, and masks of both kinds."""
    wanted = ("image", "left-padded batch")
    return [case for case in cases(family) if case.name in wanted]


def window_settings(model_type: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and text configuration; only the first layer is spared when the window is on."""
    if model_type not in WINDOWED_FAMILIES:
        return []
    shared = {"sliding_window": WINDOW, "max_window_layers": 1, "layer_types": None}
    return [
        ("window off", {**shared, "use_sliding_window": False}),
        ("window on", {**shared, "use_sliding_window": True}),
    ]


def window_prompt() -> Row:
    """Longer than the window."""
    return text(40)
