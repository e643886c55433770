"""The workload as the tracer takes it: sizes after the processor, everything else checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Optional

from qvl_checks.memory.pixels import limits, resized
from qvl_checks.models.build import MERGE, grid_of, video_grid_of, visual_spans

CONTEXT_BYTES = 730_660_864
"""What a process takes on a GPU beside its tensors, the kernels of a run loaded: measured on an
H200 with torch 2.11 (CUDA 13.0) after 41 runs; 649 MB of it before the first kernel."""
DEFAULT_CAPABILITY = (9, 0)
ANY_SIZE = (1, 2**62)
"""Limits in pixels that no image meets."""
DTYPES = ("bfloat16", "float16", "float32")
MODES = ("generate", "forward")
TENSOR_PARALLEL = "tensor-parallel"
"""In place of a device map: one process per GPU, and each weight in parts."""
COMMUNICATION_BYTES = 878_772_224
"""What NCCL takes on a GPU beside the context: measured on two H200 with torch 2.11 (CUDA 13.0),
one communicator, in 12 runs that came within 11 MB of each other; more than two: not measured."""


class Unsupported(Exception):
    """This cannot be predicted; the message says why in one sentence."""


@dataclasses.dataclass(frozen=True)
class Card:
    """A GPU that the model may be put on; bytes."""

    capacity: Optional[int] = None
    context: int = CONTEXT_BYTES
    others: int = 0

    @property
    def usable(self) -> Optional[int]:
        """What torch may reserve; None: without limit."""
        return None if self.capacity is None else self.capacity - self.context - self.others


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is run, on what."""

    images: tuple[tuple[int, int], ...]
    """(width, height) in pixels, as the processor makes them."""
    videos: tuple[tuple[int, int, int], ...]
    """(width, height, frames), as the processor makes them."""
    text_tokens: int
    new_tokens: int
    batch: int
    dtype: str
    attention: Any
    mode: str
    capability: tuple[int, int]
    cards: tuple[Card, ...]
    stated: Mapping[str, Any]
    """Everything as it was stated."""

    def load(self, config: Any) -> dict[str, Any]:
        """What the processor makes of it: sizes, patches of each image, tokens of a prompt."""
        grids = [(1, *grid_of(config, *size)) for size in self.images]
        grids += [video_grid_of(config, *size) for size in self.videos]
        spans = visual_spans(config, self.images, self.videos)
        return {
            "images": [list(size) for size in self.images],
            "videos": [list(size) for size in self.videos],
            "patches": [steps * rows * columns for steps, rows, columns in grids],
            "prompt_tokens": self.text_tokens + sum(lead + count + 2 for lead, _, count in spans),
        }

    @property
    def ranks(self) -> int:
        """Processes that share the weights, one on each card; 1: no tensor parallelism."""
        return len(self.cards) if self.stated.get("device_map") == TENSOR_PARALLEL else 1

    @property
    def expandable(self) -> bool:
        """Whether the allocator uses expandable segments."""
        return bool(self.stated.get("expandable_segments"))


def parse(stated: Mapping[str, Any], config: Any, folder: Optional[str]) -> Workload:
    """The workload behind a request's ``workload``.

    Raises:
        Unsupported: a value that no release knows.
    """
    patch = config.vision_config.patch_size
    bounds = _bounds(stated, patch, folder)
    dtype = stated.get("dtype") or "bfloat16"
    mode = stated.get("mode") or "generate"
    if dtype not in DTYPES:
        raise Unsupported(f"weights of dtype {dtype} cannot be traced; known: {', '.join(DTYPES)}")
    cards = _cards(stated.get("gpus"))
    if stated.get("device_map") == TENSOR_PARALLEL:
        if len(cards) < 2:
            raise Unsupported("tensor parallelism needs at least two GPUs, one for each process")
        cards = tuple(
            dataclasses.replace(card, context=card.context + COMMUNICATION_BYTES) for card in cards
        )
    if mode not in MODES:
        raise Unsupported(f"mode {mode!r} is unknown; known: {', '.join(MODES)}")
    return Workload(
        images=tuple(
            resized(width, height, patch * MERGE, *bounds)
            for width, height in stated.get("images") or ()
        ),
        videos=tuple(
            (width, height, frames) for width, height, frames in stated.get("videos") or ()
        ),
        text_tokens=stated.get("text_tokens", 0),
        new_tokens=stated.get("new_tokens") or 1,
        batch=stated.get("batch") or 1,
        dtype=dtype,
        attention=stated.get("attention"),
        mode=mode,
        capability=tuple(stated.get("capability") or DEFAULT_CAPABILITY),
        cards=cards,
        stated=stated,
    )


def _bounds(stated: Mapping[str, Any], patch: int, folder: Optional[str]) -> tuple[int, int]:
    if not stated.get("resize", True):
        return ANY_SIZE
    fewest, most = limits(patch, folder)
    return stated.get("min_pixels") or fewest, stated.get("max_pixels") or most


def _cards(gpus: Any) -> tuple[Card, ...]:
    if not gpus:
        return (Card(),)
    return tuple(
        Card(
            gpu["capacity_bytes"],
            CONTEXT_BYTES if gpu.get("context_bytes") is None else gpu["context_bytes"],
            gpu.get("others_bytes") or 0,
        )
        for gpu in gpus
    )
