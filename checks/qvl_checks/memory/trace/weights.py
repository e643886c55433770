"""What a loaded model holds on each device, in the order in which loading allocates it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qvl_checks.memory.trace.depth import Stack, full_names, layer_of


@dataclasses.dataclass(frozen=True)
class Weight:
    """One parameter or buffer of the full model."""

    name: str
    size: int
    """Bytes, not rounded."""
    device: str
    buffer: bool
    """Buffers of offloaded modules stay on the GPU."""


def weights(
    model: Any, stacks: Mapping[str, Stack], device_of: Callable[[str], str]
) -> list[Weight]:
    """Parameters and buffers of the full model behind a reduced one, module by module; tied ones
    once, under their first name. ``device_of``: the device of a name of the full model."""
    found: list[tuple[str, int]] = []
    pending: dict[int, list[tuple[str, int]]] = {}
    stack = ""
    for name, size in _sizes(model):
        inside, place = layer_of(name)
        if pending and inside != stack:
            found += _all_layers(pending, stacks[stack])
            pending = {}
        stack = inside
        if inside:
            pending.setdefault(place, []).append((name, size))
        else:
            found.append((name, size))
    if pending:
        found += _all_layers(pending, stacks[stack])
    buffers = {name.rpartition(".")[2] for name, _ in model.named_buffers()}
    return [
        Weight(name, size, device_of(name), name.rpartition(".")[2] in buffers)
        for name, size in found
    ]


def reserved_at_once() -> bool:
    """Whether the installed transformers asks for the room of all weights in one piece."""
    import transformers.modeling_utils as modeling

    return hasattr(modeling, "caching_allocator_warmup")


def _sizes(model: Any) -> Iterator[tuple[str, int]]:
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for store in (module._parameters, module._buffers):
            for key, tensor in store.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    name = f"{prefix}.{key}" if prefix else key
                    yield name, tensor.numel() * tensor.element_size()


def _all_layers(
    pending: Mapping[int, list[tuple[str, int]]], stack: Stack
) -> list[tuple[str, int]]:
    """The layers of a whole stack one after the other, from those of the traced ones."""
    by_layer: dict[int, list[tuple[str, int]]] = {}
    for place in sorted(pending):
        for name, size in pending[place]:
            for full in full_names(name, {layer_of(name)[0]: stack}):
                by_layer.setdefault(layer_of(full)[1], []).append((full, size))
    return [entry for index in sorted(by_layer) for entry in by_layer[index]]
