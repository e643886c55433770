"""Puts a full-size model onto the devices as ``from_pretrained`` of this release would.

Runs in the target: standard library at module level; ``torch`` is handed in. Weights of a folder
are loaded from it; otherwise they are random, which changes neither sizes nor placement.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qvl_checks.memory.cards import Refused
from qvl_checks.memory.trace.workload import TENSOR_PARALLEL
from qvl_checks.models.attention_wish import argument
from qvl_checks.models.build import dtype_keyword, model_class

PLANNED = ("auto", "balanced", "balanced_low_0", "sequential")
"""Values of ``device_map`` for which the placement is computed."""
PLANNERS = ("transformers.integrations.accelerate", "transformers.modeling_utils")
"""Where releases from 5.0 on, and from 4.51 to 4.57, keep the function that computes it."""


def indices(torch: Any, device_map: str | None, visible: int) -> list[int]:
    """The GPUs that a run with this ``device_map`` may touch, of ``visible`` ones.

    Raises:
        Refused: it names none of them.
    """
    if device_map in PLANNED:
        return list(range(visible))
    if device_map == TENSOR_PARALLEL:
        raise Refused(
            "unavailable",
            "tensor parallelism takes several processes, and one is run here; 'qvl-doctor plan' "
            "predicts it",
        )
    try:
        device = torch.device("cuda" if device_map is None else device_map)
    except RuntimeError as error:
        raise Refused("unavailable", f"device_map={device_map!r} is not a device") from error
    if device.type != "cuda":
        raise Refused("unavailable", f"device_map={device_map!r} puts nothing on a GPU")
    index = device.index or 0
    if index >= visible:
        raise Refused("unavailable", f"device_map={device_map!r}: this machine has {visible} GPUs")
    return [index]


def safetensors_bytes(folder: str | None) -> int:
    """Size of the checkpoint's weight files; 0 where there are none in safetensors."""
    if folder is None:
        return 0
    return sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))


def hollow_model(torch: Any, config: Any, dtype: str, attention: str | None) -> Any:
    """The model with parameters on the meta device and real (small) buffers; takes no memory.

    Raises:
        Refused: this attention implementation cannot be selected here.
    """
    arguments: dict[str, Any] = {dtype_keyword(): getattr(torch, dtype)}
    if attention is not None:
        arguments["attn_implementation"] = argument(attention)
    try:
        with _without_initialisation(torch), _parameters_on_meta(torch):
            model = model_class(config)._from_config(config, **arguments)
    except (ImportError, ValueError) as error:
        raise Refused("unavailable", f"{type(error).__name__}: {error}") from error
    # Every parameter was replaced when it was registered, which separated the tied ones.
    model.tie_weights()
    return model.eval()


def parameter_bytes(model: Any, torch: Any, dtype: str) -> int:
    """Bytes of the weights in ``dtype``, tied ones once."""
    size = getattr(torch, dtype).itemsize
    return sum(parameter.numel() * size for parameter in model.parameters())


def plan(
    torch: Any, model: Any, device_map: str, dtype: str, room: dict[int, int] | None = None
) -> dict[str, Any]:
    """Module name -> device for one of `PLANNED`, computed by the function of this release.

    ``room`` is the user's ``max_memory``: card -> bytes for weights.

    Raises:
        Refused: accelerate is missing, or the map moves weights off the GPUs.
    """
    found = _planned(torch, model, device_map, dtype, room)
    outside = sorted({str(device) for device in found.values()} & {"cpu", "disk"})
    if outside:
        where = " and the ".join(outside)
        raise Refused("offloaded", f"device_map={device_map!r} moves weights to the {where}")
    return found


def fill(torch: Any, model: Any, placement: Mapping[str, Any], dtype: str, tracer: Any) -> None:
    """Give every parameter random values on its device, and move the buffers there."""
    wanted = getattr(torch, dtype)
    filled: dict[int, Any] = {}
    with torch.no_grad():
        for name, module in model.named_modules(remove_duplicate=False):
            prefix = f"{name}." if name else ""
            for key, parameter in list(module._parameters.items()):
                if parameter is None or not parameter.is_meta:
                    continue
                if id(parameter) not in filled:
                    with tracer.inside(prefix + key):
                        device = device_of(placement, prefix + key)
                        data = torch.empty(parameter.shape, dtype=wanted, device=device)
                        data.normal_(0, 0.02)
                    # The hollow one is kept, so that no later one can have its id.
                    filled[id(parameter)] = parameter, torch.nn.Parameter(data, False)
                module._parameters[key] = filled[id(parameter)][1]
            for key, buffer in list(module._buffers.items()):
                if buffer is not None:
                    module._buffers[key] = buffer.to(device_of(placement, prefix + key))


def dispatch(model: Any, placement: Mapping[str, Any]) -> None:
    """Install accelerate's hooks, which carry activations from card to card."""
    from accelerate import dispatch_model

    arguments: dict[str, Any] = {"device_map": dict(placement)}
    if "skip_keys" in inspect.signature(dispatch_model).parameters:
        arguments["skip_keys"] = model._skip_keys_device_placement
    dispatch_model(model, **arguments)


def load(
    torch: Any,
    config: Any,
    folder: str,
    dtype: str,
    attention: str | None,
    placement: Any,
    room: dict[int, int] | None = None,
) -> Any:
    """``from_pretrained`` of the checkpoint, local safetensors files only, no remote code."""
    arguments: dict[str, Any] = {dtype_keyword(): getattr(torch, dtype)}
    if room is not None:
        arguments["max_memory"] = room
    if attention is not None:
        arguments["attn_implementation"] = argument(attention)
    model = model_class(config).from_pretrained(
        folder, device_map=placement, local_files_only=True, use_safetensors=True, **arguments
    )
    return model.eval()


def device_of(placement: Mapping[str, Any], name: str) -> str:
    """The device of a parameter or buffer: that of the longest module name that it starts with."""
    while name not in placement:
        if not name:
            raise Refused(
                "unavailable", f"no device is planned for a part of the model: {placement}"
            )
        name = name.rpartition(".")[0]
    device = placement[name]
    return f"cuda:{device}" if isinstance(device, int) else str(device)


def weights_by_device(model: Any) -> dict[str, int]:
    """Bytes of parameters and buffers on each device, tied ones once."""
    found: dict[str, int] = {}
    for tensor in {id(t): t for t in (*model.parameters(), *model.buffers())}.values():
        device = str(tensor.device)
        found[device] = found.get(device, 0) + tensor.numel() * tensor.element_size()
    return found


def _planned(
    torch: Any, model: Any, device_map: str, dtype: str, room: dict[int, int] | None
) -> dict[str, Any]:
    try:
        importlib.import_module("accelerate")
    except ImportError as error:
        reason = f"device_map={device_map!r} needs accelerate: {error}"
        raise Refused("unavailable", reason) from error
    for module_name in PLANNERS:
        with contextlib.suppress(ImportError):
            planner = getattr(importlib.import_module(module_name), "_get_device_map", None)
            if planner is not None:
                return dict(_call_planner(planner, model, device_map, getattr(torch, dtype), room))
    return dict(_plan_as_before_4_51(model, device_map, getattr(torch, dtype), room))


def _call_planner(planner: Any, model: Any, device_map: str, dtype: Any, room: Any) -> Any:
    known = {
        "model": model,
        "device_map": device_map,
        "max_memory": room,
        "torch_dtype": dtype,
        "dtype": dtype,
    }
    names = inspect.signature(planner).parameters
    return planner(**{name: known.get(name) for name in names})


def _plan_as_before_4_51(model: Any, device_map: str, dtype: Any, wish: Any) -> Any:
    """The steps that ``from_pretrained`` of transformers 4.45 to 4.50 took inline."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory, get_max_memory

    whole = {"no_split_module_classes": model._get_no_split_modules(device_map), "dtype": dtype}
    if device_map == "sequential":
        room = get_max_memory(wish)
    else:
        room = get_balanced_memory(
            model, max_memory=wish, low_zero=device_map == "balanced_low_0", **whole
        )
    model.tie_weights()
    return infer_auto_device_map(model, max_memory=room, **whole)


@contextlib.contextmanager
def _parameters_on_meta(torch: Any) -> Iterator[None]:
    """Parameters lose their storage as they are registered; buffers are computed for real."""
    module_class = torch.nn.Module
    register = module_class.register_parameter

    def register_hollow(module: Any, name: str, parameter: Any) -> None:
        register(module, name, parameter)
        if parameter is not None and not parameter.is_meta:
            module._parameters[name] = torch.nn.Parameter(parameter.detach().to("meta"), False)

    module_class.register_parameter = register_hollow
    try:
        yield
    finally:
        module_class.register_parameter = register


@contextlib.contextmanager
def _without_initialisation(torch: Any) -> Iterator[None]:
    """Nobody fills weights that are thrown away at once."""
    init = torch.nn.init
    names = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]
    saved = {name: getattr(init, name) for name in names}
    for name in names:
        setattr(init, name, lambda tensor, *args, **kwargs: tensor)
    try:
        yield
    finally:
        for name, function in saved.items():
            setattr(init, name, function)
