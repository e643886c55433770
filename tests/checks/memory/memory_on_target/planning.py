"""The placement that the installed transformers plans for cards that this machine lacks."""

from __future__ import annotations

from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Bytes of weights per device, and where the vision tower is, for ``free`` bytes per card."""
    import torch

    from qvl_checks.memory import placement
    from qvl_checks.models.build import make_config

    play_cards(torch, request["free"])
    config = make_config(request["config"])
    model = placement.hollow_model(torch, config, "bfloat16", None)
    planned = placement.plan(torch, model, request["device_map"], "bfloat16")
    sizes: dict[str, int] = {}
    vision = set()
    for name, parameter in model.named_parameters():
        device = placement.device_of(planned, name)
        sizes[device] = sizes.get(device, 0) + parameter.numel() * 2
        if "visual" in name:
            vision.add(device)
    return {"sizes": sizes, "vision": sorted(vision), "buffers": buffers(model)}


def buffers(model: Any) -> list[str]:
    """Kinds of device that hold the buffers of a hollow model."""
    return sorted({buffer.device.type for buffer in model.buffers()})


def play_cards(torch: Any, free: list[int]) -> None:
    """Make a CPU build of torch answer as if these cards were there."""
    make_tensor = torch.tensor

    def tensor(*arguments: Any, device: Any = None, **others: Any) -> Any:
        on_a_card = isinstance(device, int)
        return make_tensor(*arguments, device="cpu" if on_a_card else device, **others)

    torch.tensor = tensor
    torch.cuda.device_count = lambda: len(free)
    torch.cuda.mem_get_info = lambda index=0: (free[index], free[index])
    torch.cuda.memory_reserved = torch.cuda.memory_allocated = lambda index=0: 0
