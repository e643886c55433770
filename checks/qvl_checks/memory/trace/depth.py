"""A few layers traced, the full depth computed: equal layers behave equally.

Every layer raises the memory by some amount while it runs and keeps some of it (its part of the
KV cache). Layers of one kind do so alike, so one of each kind is traced, and the run of the full
model is put together from them in the true order.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from qvl_checks.memory.trace.hollow import text_config
from qvl_checks.memory.trace.ledger import WEIGHTS, Stretch, Usage
from qvl_checks.memory.trace.phases import TEXT_STACK, VISION_STACK

LAYER_NAME = re.compile(r"\b(blocks|layers)\.(\d+)\b")
STACK_OF = {"blocks": VISION_STACK, "layers": TEXT_STACK}


@dataclasses.dataclass(frozen=True)
class Stack:
    """The layers of one stack that are traced, and which of them stands for each."""

    kept: tuple[int, ...]
    stands_in: tuple[int, ...]
    """For every layer of the full model, a position in ``kept``."""


def choose(kinds: Sequence[Hashable]) -> Stack:
    """Keep the last layer of each kind.

    What precedes a layer is part of its kind: it decides what the caller still holds when the layer
    begins. So the first layer of a stack always stands only for itself.
    """
    pairs = list(zip([None, *kinds], kinds))
    latest = {pair: index for index, pair in enumerate(pairs)}
    kept = sorted({0, *latest.values()})
    position = {index: place for place, index in enumerate(kept)}
    return Stack(tuple(kept), tuple(position[latest[pair]] for pair in pairs))


def reduce(config: Any) -> tuple[Any, dict[str, Stack]]:
    """A config with one layer of each kind, and how the full model follows from it."""
    small = copy.deepcopy(config)
    return small, {
        VISION_STACK: _reduce_vision(small.vision_config),
        TEXT_STACK: _reduce_text(text_config(small), small.vision_config),
    }


def whole(config: Any) -> dict[str, Stack]:
    """Every layer stands for itself."""
    counts = {
        VISION_STACK: config.vision_config.depth,
        TEXT_STACK: text_config(config).num_hidden_layers,
    }
    return {name: choose(range(count)) for name, count in counts.items()}


def extend(
    stretches: Sequence[Stretch], stacks: Mapping[str, Stack], missing: Mapping[str, int]
) -> list[Stretch]:
    """The stretches of the full model; ``missing``: bytes of untraced weights by device."""
    full: list[Stretch] = []
    more = {device: Counter({WEIGHTS: size}) for device, size in missing.items()}
    position = 0
    before: dict[str, Counter[str]] = {}
    while position < len(stretches):
        one = stretches[position]
        if one.stack:
            stack = stacks[one.stack]
            group = stretches[position : position + len(stack.kept)]
            full += _stacked(group, stack, before, more)
            position += len(stack.kept)
            last = group[-1]
        else:
            full.append(_raised(one, more))
            position += 1
            last = one
        before = {**before, **{device: usage.end for device, usage in last.devices.items()}}
    return full


def full_weights(sizes: Mapping[str, int], stacks: Mapping[str, Stack]) -> int:
    """Bytes of the full model's weights from those of the traced one's, by name."""
    layers: dict[str, Counter[int]] = {name: Counter() for name in stacks}
    total = 0
    for name, size in sizes.items():
        match = LAYER_NAME.search(name)
        if match:
            layers[STACK_OF[match[1]]][int(match[2])] += size
        else:
            total += size
    return total + sum(
        layers[name][position] for name, stack in stacks.items() for position in stack.stands_in
    )


def _reduce_vision(vision: Any) -> Stack:
    windows = getattr(vision, "fullatt_block_indexes", None)
    deep = list(getattr(vision, "deepstack_visual_indexes", None) or [])
    kinds = [
        (windows is None or index in windows, deep.index(index) if index in deep else None)
        for index in range(vision.depth)
    ]
    stack = choose(kinds)
    vision.depth = len(stack.kept)
    if windows is not None:
        vision.fullatt_block_indexes = _positions(stack, windows)
    if deep:
        vision.deepstack_visual_indexes = _positions(stack, deep)
    return stack


def _reduce_text(text: Any, vision: Any) -> Stack:
    injected = len(getattr(vision, "deepstack_visual_indexes", None) or [])
    count = text.num_hidden_layers
    types = getattr(text, "layer_types", None) or [None] * count
    dense = _dense_layers(text, count)
    # Every layer that takes image features in is kept, as every block that gives them is.
    kinds = [(types[index], index in dense, min(index, injected)) for index in range(count)]
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


def _stacked(
    group: Sequence[Stretch],
    stack: Stack,
    before: Mapping[str, Counter[str]],
    more: dict[str, Counter[str]],
) -> list[Stretch]:
    """All layers of one pass through a stack; ``more`` grows by what the untraced ones keep."""
    full = [
        Stretch(group[place].phase, group[place].stack, index)
        for index, place in enumerate(stack.stands_in)
    ]
    for device in group[0].devices:
        start = before.get(device, Counter())
        steps = []
        for one in group:
            usage = one.devices[device]
            steps.append((_minus(usage.peak, start), _minus(usage.end, start), usage.module))
            start = usage.end
        live = _plus(before.get(device, Counter()), more.get(device, Counter()))
        for index, place in enumerate(stack.stands_in):
            rise, kept, module = steps[place]
            named = LAYER_NAME.sub(rf"\g<1>.{index}", module, count=1)
            full[index].devices[device] = Usage(_plus(live, rise), _plus(live, kept), named)
            live = _plus(live, kept)
        more[device] = _minus(live, start)
    return full


def _raised(one: Stretch, more: Mapping[str, Counter[str]]) -> Stretch:
    nothing: Counter[str] = Counter()
    return dataclasses.replace(
        one,
        devices={
            device: Usage(
                _plus(usage.peak, more.get(device, nothing)),
                _plus(usage.end, more.get(device, nothing)),
                usage.module,
            )
            for device, usage in one.devices.items()
        },
    )


def _plus(one: Counter[str], other: Counter[str]) -> Counter[str]:
    return Counter({kind: one[kind] + other[kind] for kind in {*one, *other}})


def _minus(one: Counter[str], other: Counter[str]) -> Counter[str]:
    return Counter({kind: one[kind] - other[kind] for kind in {*one, *other}})
