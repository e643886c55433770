"""A small model of the examined architecture on one device, then spread over several.

Runs in the target. The spreading is what ``device_map`` does in ``from_pretrained``: accelerate
dispatches the modules and moves what flows between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qvl_checks.models.build import make_config, make_inputs, make_model

IMAGE = ((168, 168),)


def compare(
    torch: Any, tiny: Mapping[str, Any], devices: Sequence[str], dtype: str
) -> dict[str, Any]:
    """Logits of the whole and of the spread model; see `SplitModelFacts` for the fields."""
    import accelerate

    config = make_config(dict(tiny))
    model = make_model(config, dtype=dtype, device=devices[0])
    inputs = make_inputs(config, images=IMAGE, device=devices[0])
    whole = _logits(torch, model, inputs)
    placement = placed(model, devices)
    skip = getattr(model, "_skip_keys_device_placement", None)
    model = accelerate.dispatch_model(model, device_map=placement, skip_keys=skip, force_hooks=True)
    facts: dict[str, Any] = {"placement": placement, "finite": bool(whole.isfinite().all())}
    try:
        spread = _logits(torch, model, inputs)
    except RuntimeError as error:
        return {**facts, "error": f"{type(error).__name__}: {error}"[:600]}
    facts.update(difference=_distance(whole, spread), equal=bool(torch.equal(whole, spread)))
    if not facts["equal"]:
        with_detour = _through_host(lambda: _logits(torch, model, inputs))
        facts["difference_through_host"] = _distance(whole, with_detour)
    return facts


def placed(model: Any, devices: Sequence[str]) -> dict[str, str]:
    """Every part of the model on the first device, the decoder layers in turn on all of them."""
    placement: dict[str, str] = {}
    layers = _layers_name(model)
    for name, module in model.named_modules():
        if layers.startswith(name + ".") or not name:
            continue  # a part of it lies elsewhere
        if name == layers:
            continue
        parent = name.rpartition(".")[0]
        if parent in placement or any(name.startswith(done + ".") for done in placement):
            continue
        if parent == layers:
            index = int(name.rpartition(".")[2])
            placement[name] = devices[(index + 1) % len(devices)]
        elif any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
            placement[name] = devices[0]
    return placement


def _layers_name(model: Any) -> str:
    """Full name of the list of decoder layers: the longest list outside the vision tower."""
    lists: dict[str, int] = {
        str(name): len(module)
        for name, module in model.named_modules()
        if type(module).__name__ == "ModuleList" and "visual" not in name.split(".")
    }
    named = [name for name in lists if name.endswith("layers")]
    return max(named or list(lists), key=lambda name: lists[name])


def _logits(torch: Any, model: Any, inputs: Mapping[str, Any]) -> Any:
    """(tokens, vocabulary) on the host, in float32."""
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits[0].float().cpu()


def _through_host(run: Callable[[], Any]) -> Any:
    """Run with accelerate's transfers going through main memory."""
    import accelerate.hooks as hooks

    direct = hooks.send_to_device

    def detour(tensors: Any, device: Any, *args: Any, **kwargs: Any) -> Any:
        return direct(direct(tensors, "cpu"), device, *args, **kwargs)

    hooks.send_to_device = detour
    try:
        return run()
    finally:
        hooks.send_to_device = direct


def _distance(whole: Any, other: Any) -> float | None:
    """Relative L2; None when not finite."""
    distance = (other - whole).norm() / whole.norm()
    return float(distance) if bool(distance.isfinite()) else None
