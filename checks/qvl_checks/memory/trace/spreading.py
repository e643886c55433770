"""accelerate's hooks on a hollow model: activations go from device to device, offloaded weights to
the GPU for the time of a module's forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from qvl_checks.memory.trace.depth import Stack, layer_of, renumbered
from qvl_checks.memory.trace.placing import OFFLOADED, Placement
from qvl_checks.memory.trace.workload import Unsupported


def full_name(name: str, stacks: Mapping[str, Stack]) -> str:
    """The name in the full model of a traced module or parameter."""
    stack, place = layer_of(name)
    return renumbered(name, stacks[stack].kept[place]) if stack else name


def install(
    torch: Any, model: Any, placement: Placement, stacks: Mapping[str, Stack], cpu_weight: Any
) -> None:
    """Hooks as ``dispatch_model`` attaches them.

    ``cpu_weight(shape, dtype)`` makes a weight in ordinary memory.

    Raises:
        Unsupported: accelerate is missing.
    """
    try:
        from accelerate.hooks import attach_align_device_hook_on_blocks
    except ImportError as error:
        raise Unsupported(f"a model on several devices needs accelerate: {error}") from error
    traced = traced_map(placement, stacks)
    main = placement.main
    execution = {
        name: torch.device(main if device in OFFLOADED else device)
        for name, device in traced.items()
    }
    execution[""] = torch.device(main)
    offload = {name: device in OFFLOADED for name, device in traced.items()}
    arguments: dict[str, Any] = {"execution_device": execution, "offload": offload}
    if any(offload.values()):
        shapes = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_meta}
        arguments["weights_map"] = OffloadedWeights(shapes, cpu_weight)
    if "skip_keys" in inspect.signature(attach_align_device_hook_on_blocks).parameters:
        arguments["skip_keys"] = model._skip_keys_device_placement
    attach_align_device_hook_on_blocks(model, **arguments)


def traced_map(placement: Placement, stacks: Mapping[str, Stack]) -> dict[str, str]:
    """The device map of the reduced model."""
    found = {}
    for name, device in placement.by_module.items():
        stack, layer = layer_of(name)
        if not stack:
            found[name] = device
        elif layer in stacks[stack].kept:
            found[renumbered(name, stacks[stack].kept.index(layer))] = device
    return found


class OffloadedWeights(Mapping[str, Any]):
    """Name -> a weight in ordinary memory, made when it is asked for."""

    def __init__(self, shapes: Mapping[str, Any], cpu_weight: Any) -> None:
        self._shapes = shapes
        self._cpu_weight = cpu_weight

    def __getitem__(self, name: str) -> Any:
        like = self._shapes[name]
        return self._cpu_weight(like.shape, like.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)
