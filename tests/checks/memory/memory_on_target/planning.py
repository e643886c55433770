"""The placement that the installed transformers plans for cards that this machine lacks."""

from __future__ import annotations

from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Bytes of weights per device, and where the vision tower is, for ``free`` bytes per card."""
    import torch

    from qvl_checks.memory import placement
    from qvl_checks.memory.cards import Refused
    from qvl_checks.models.build import make_config

    play_cards(torch, request["free"])
    config = make_config(request["config"])
    model = placement.hollow_model(torch, config, "bfloat16", None)
    try:
        planned = placement.plan(torch, model, request["device_map"], "bfloat16")
    except Refused as refusal:
        return {"refused": refusal.kind, "reason": str(refusal)}
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


def dispatched(request: dict[str, Any]) -> dict[str, Any]:
    """A hollow model filled on planned devices, with accelerate's hooks, against itself without."""
    import accelerate
    import torch

    from qvl_checks.memory import placement
    from qvl_checks.memory.cards import NoCards
    from qvl_checks.memory.tracer import Tracer
    from qvl_checks.models.build import make_config, make_inputs

    config = make_config(request["config"])
    model = placement.hollow_model(torch, config, "float32", None)
    layer = next(name for name, _ in model.named_modules() if name.endswith("layers.0"))
    planned = {name: "cpu" for name, _ in model.named_children()} | {layer: "cpu"}
    torch.manual_seed(0)
    placement.fill(torch, model, planned, "float32", Tracer(torch, NoCards()))
    inputs = make_inputs(config)
    with torch.no_grad():
        plain = model(**inputs).logits
        dispatch_model = accelerate.dispatch_model

        def forced(*arguments: Any, **options: Any) -> Any:
            return dispatch_model(*arguments, force_hooks=True, **options)

        forced.__signature__ = __import__("inspect").signature(dispatch_model)
        accelerate.dispatch_model = forced
        placement.dispatch(model, planned)
        hooked = model(**inputs).logits
    return {
        "hooked": sum(hasattr(module, "_hf_hook") for module in model.modules()),
        "finite": bool(torch.isfinite(hooked).all()),
        "same": bool(torch.equal(plain, hooked)),
    }
