"""accelerate's hooks on a hollow model: activations go from device to device, offloaded weights to
the GPU for the time of a module's forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from qvl_checks.memory.trace.depth import Stack, layer_of, renumbered
from qvl_checks.memory.trace.placing import OFFLOADED, Placement
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.workload import Unsupported


def full_name(name: str, stacks: Mapping[str, Stack]) -> str:
    """The name in the full model of a traced module or parameter."""
    stack, place = layer_of(name)
    return renumbered(name, stacks[stack].kept[place]) if stack else name


def install(
    run: Any,
    model: Any,
    placement: Placement,
    stacks: Mapping[str, Stack],
    replaced: Replacements,
) -> None:
    """Hooks as ``dispatch_model`` attaches them; ``run`` is the session.

    Raises:
        Unsupported: accelerate is missing.
    """
    try:
        from accelerate import hooks
    except ImportError as error:
        raise Unsupported(f"a model on several devices needs accelerate: {error}") from error
    torch, attach = run.torch, hooks.attach_align_device_hook_on_blocks
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
        arguments["weights_map"] = OffloadedWeights(shapes, run.offloaded)
        replaced.attribute(hooks, "set_module_tensor_to_device", _setter(torch, run.ledger))
    if "skip_keys" in inspect.signature(attach).parameters:
        arguments["skip_keys"] = model._skip_keys_device_placement
    attach(model, **arguments)


def _setter(torch: Any, ledger: Any) -> Any:
    """accelerate's ``set_module_tensor_to_device``: it asks a parameter's class for another one,
    and fake tensors cannot be made that way. It empties the allocator's cache each time."""

    def set_tensor(module: Any, name: str, device: Any, value: Any = None, **others: Any) -> None:
        owner, _, name = name.rpartition(".")
        module = module.get_submodule(owner)
        store = module._parameters if name in module._parameters else module._buffers
        old = store[name]
        if str(device) == "meta":
            made = torch.empty(old.shape, dtype=old.dtype, device="meta")
        else:
            made = (old if value is None else value).to(device)
        if store is module._parameters:
            made = torch.nn.Parameter(made, requires_grad=False)
        store[name] = made
        if str(device) != "meta":
            ledger.empty_cache(str(device))

    return set_tensor


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
