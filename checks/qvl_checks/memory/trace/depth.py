"""Which few layers are traced in place of all: equal layers behave equally.

A layer's kind is what the config says of it, and where it is placed. What precedes a layer belongs
to it too: it decides what the caller still holds when the layer begins.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from qvl_checks.memory.trace.hollow import text_config
from qvl_checks.memory.trace.phases import TEXT_STACK, VISION_STACK

LAYER_NAME = re.compile(r"\b(blocks|layers)\.(\d+)\b")
STACK_OF = {"blocks": VISION_STACK, "layers": TEXT_STACK}
Placed = Callable[[str, int], Hashable]
"""(stack, layer) -> where that layer of the full model is."""


@dataclasses.dataclass(frozen=True)
class Stack:
    """The layers of one stack that are traced, and which of them stands for each."""

    kept: tuple[int, ...]
    stands_in: tuple[int, ...]
    """For every layer of the full model, a position in ``kept``."""
    twins: tuple[int, ...]
    """For every position in ``kept``, the one that stands for such layers: often itself."""

    def last(self, place: int) -> int:
        """The last layer that the traced one at this position stands for."""
        return max(index for index, one in enumerate(self.stands_in) if one == place)


def choose(kinds: Sequence[Hashable]) -> Stack:
    """The shortest run of layers that has every pair of neighbouring kinds, and only those.

    The first layer stands only for itself, the last one comes last.
    """
    pairs = list(zip([None, *kinds], kinds))
    wanted = set(pairs)
    kept = list(range(len(kinds)))
    index = 1
    while index < len(kept) - 1:
        without = kept[:index] + kept[index + 1 :]
        if set(_pairs(kinds, without)) == wanted:
            kept = without
        else:
            index += 1
    traced = _pairs(kinds, kept)
    position = {pair: place for place, pair in enumerate(traced)}
    return Stack(
        tuple(kept),
        tuple(position[pair] for pair in pairs),
        tuple(position[pair] for pair in traced),
    )


def nowhere(stack: str, layer: int) -> Hashable:
    """All layers are on one device."""
    return None


def reduce(config: Any, placed: Placed = nowhere) -> tuple[Any, dict[str, Stack]]:
    """A config with few layers, and how the full model follows from it."""
    small = copy.deepcopy(config)
    return small, {
        VISION_STACK: _reduce_vision(small.vision_config, placed),
        TEXT_STACK: _reduce_text(text_config(small), small.vision_config, placed),
    }


def whole(config: Any) -> dict[str, Stack]:
    """Every layer stands for itself."""
    return {
        VISION_STACK: choose(range(config.vision_config.depth)),
        TEXT_STACK: choose(range(text_config(config).num_hidden_layers)),
    }


def full_names(name: str, stacks: Mapping[str, Stack]) -> Iterator[str]:
    """The names in the full model of what a traced parameter stands for."""
    match = LAYER_NAME.search(name)
    if match is None:
        yield name
        return
    place = int(match[2])
    for index, stands_in in enumerate(stacks[STACK_OF[match[1]]].stands_in):
        if stands_in == place:
            yield renumbered(name, index)


def renumbered(name: str, index: int) -> str:
    """The same module of another layer."""
    return LAYER_NAME.sub(rf"\g<1>.{index}", name, count=1)


def layer_of(name: str) -> tuple[str, int]:
    """(stack, index) of the layer that a module belongs to; ("", -1): to none."""
    match = LAYER_NAME.search(name)
    return ("", -1) if match is None else (STACK_OF[match[1]], int(match[2]))


def _pairs(kinds: Sequence[Hashable], kept: Sequence[int]) -> list[tuple[Hashable, Hashable]]:
    chosen = [kinds[index] for index in kept]
    return list(zip([None, *chosen], chosen))


def _reduce_vision(vision: Any, placed: Placed) -> Stack:
    windows = getattr(vision, "fullatt_block_indexes", None)
    deep = list(getattr(vision, "deepstack_visual_indexes", None) or [])
    kinds = [
        (
            windows is None or index in windows,
            deep.index(index) if index in deep else None,
            placed(VISION_STACK, index),
        )
        for index in range(vision.depth)
    ]
    stack = choose(kinds)
    vision.depth = len(stack.kept)
    if windows is not None:
        vision.fullatt_block_indexes = _positions(stack, windows)
    if deep:
        vision.deepstack_visual_indexes = _positions(stack, deep)
    return stack


def _reduce_text(text: Any, vision: Any, placed: Placed) -> Stack:
    injected = len(getattr(vision, "deepstack_visual_indexes", None) or [])
    count = text.num_hidden_layers
    types = getattr(text, "layer_types", None) or [None] * count
    dense = _dense_layers(text, count)
    # Every layer that takes image features in is kept, as every block that gives them is.
    kinds = [
        (types[index], index in dense, min(index, injected), placed(TEXT_STACK, index))
        for index in range(count)
    ]
    stack = choose(kinds)
    text.num_hidden_layers = len(stack.kept)
    if getattr(text, "layer_types", None):
        text.layer_types = [types[index] for index in stack.kept]
    if hasattr(text, "mlp_only_layers"):
        text.mlp_only_layers = _positions(stack, dense)
        text.decoder_sparse_step = 1
    return stack


def _dense_layers(text: Any, count: int) -> set[int]:
    """Layers of a mixture-of-experts model that have an ordinary MLP."""
    if not hasattr(text, "mlp_only_layers"):
        return set()
    step = getattr(text, "decoder_sparse_step", 1) or 1
    return {
        index
        for index in range(count)
        if index in (text.mlp_only_layers or []) or (index + 1) % step
    }


def _positions(stack: Stack, indexes: Any) -> list[int]:
    return [place for place, index in enumerate(stack.kept) if index in indexes]
