"""Where the parts of the model go: what the installed release plans for stated GPUs."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Optional

from qvl_checks.memory.trace.depth import layer_of
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.workload import TENSOR_PARALLEL, Card, Unsupported, Workload

PLANNED = ("auto", "balanced", "balanced_low_0", "sequential")
"""Values of ``device_map`` for which the placement is computed."""
PLANNERS = ("transformers.integrations.accelerate", "transformers.modeling_utils")
"""Where releases from 5.0 on, and from 4.51 to 4.57, keep the function that computes it."""
OFFLOADED = ("cpu", "disk")


class Placement:
    """Module name -> ``cuda:N``, ``cpu`` or ``disk``; the longest matching name counts."""

    def __init__(self, by_module: Mapping[str, str]) -> None:
        self.by_module = dict(by_module)

    @property
    def spread(self) -> bool:
        """Whether accelerate's hooks carry activations or weights between devices."""
        return len(set(self.by_module.values())) > 1

    @property
    def main(self) -> str:
        """Where modules run that are nowhere else, and offloaded ones."""
        gpus = sorted(set(self.by_module.values()) - set(OFFLOADED))
        return gpus[0] if gpus else "cpu"

    def of(self, name: str) -> str:
        """The device of a parameter, buffer or module.

        Raises:
            Unsupported: the map does not cover it.
        """
        known = name
        while known not in self.by_module:
            if not known:
                raise Unsupported(f"the device map has no place for {name}")
            known = known.rpartition(".")[0]
        return self.by_module[known]

    def of_layer(self, stack: str, layer: int) -> Hashable:
        """What the map says of one repeated layer: its modules, each with its device."""
        own = []
        for name, device in self.by_module.items():
            if layer_of(name) == (stack, layer):
                own.append((name.partition(f".{layer}")[2], device))
        return tuple(sorted(own))


def place(torch: Any, work: Workload, hollow_model: Any) -> Placement:
    """The placement that the workload's ``device_map`` asks for; in tensor parallelism that of the
    first rank.

    ``hollow_model()`` builds the full model without weights; called only where one is planned.

    Raises:
        Unsupported: no such device map, or accelerate is missing.
    """
    asked = work.stated.get("device_map")
    if asked == TENSOR_PARALLEL:
        return Placement({"": "cuda:0"})
    if isinstance(asked, str) and asked in PLANNED:
        limits = work.stated.get("max_memory")
        return Placement(_named(_planned(torch, hollow_model(), asked, limits, work), work))
    if isinstance(asked, Mapping):
        return Placement(_named(asked, work))
    return Placement(_named({"": 0 if asked is None else asked}, work))


def _named(planned: Mapping[str, Any], work: Workload) -> dict[str, str]:
    return {name: _device(device, work.cards) for name, device in planned.items()}


def _device(device: Any, cards: Sequence[Card]) -> str:
    name = str(device)
    if name in OFFLOADED:
        return name
    number = name if name.isdigit() else name.removeprefix("cuda").removeprefix(":") or "0"
    if not (name.isdigit() or name.startswith("cuda")) or not number.isdigit():
        raise Unsupported(f"device_map names {name!r}, which is neither a GPU nor cpu nor disk")
    if int(number) >= len(cards):
        raise Unsupported(f"device_map names GPU {number}, but {len(cards)} GPUs are stated")
    return f"cuda:{number}"


def _planned(torch: Any, model: Any, device_map: str, limits: Any, work: Workload) -> Any:
    if any(card.usable is None for card in work.cards):
        raise Unsupported(
            f"device_map={device_map!r} is planned by the memory of the GPUs; state it"
        )
    try:
        importlib.import_module("accelerate")
    except ImportError as error:
        reason = f"device_map={device_map!r} needs accelerate: {error}"
        raise Unsupported(reason) from error
    # Names of GPUs are numbers in a program, and texts in JSON.
    wish = limits and {int(key) if str(key).isdigit() else key: limits[key] for key in limits}
    dtype = getattr(torch, work.dtype)
    with _played_cards(torch, work.cards):
        planner = _planner()
        if planner is None:
            return _as_before_4_51(model, device_map, wish, dtype)
        known = {"model": model, "device_map": device_map, "max_memory": wish}
        known.update(torch_dtype=dtype, dtype=dtype)
        names = inspect.signature(planner).parameters
        return planner(**{name: known.get(name) for name in names})


def _planner() -> Optional[Any]:
    for module_name in PLANNERS:
        with contextlib.suppress(ImportError):
            found = getattr(importlib.import_module(module_name), "_get_device_map", None)
            if found is not None:
                return found
    return None


def _as_before_4_51(model: Any, device_map: str, limits: Any, dtype: Any) -> Any:
    """The steps that ``from_pretrained`` of transformers 4.45 to 4.50 took inline."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory, get_max_memory

    whole = {"no_split_module_classes": model._get_no_split_modules(device_map), "dtype": dtype}
    if device_map == "sequential":
        room = get_max_memory(limits)
    else:
        low = device_map == "balanced_low_0"
        room = get_balanced_memory(model, low_zero=low, max_memory=limits, **whole)
    return infer_auto_device_map(model, max_memory=room, **whole)


@contextlib.contextmanager
def _played_cards(torch: Any, cards: Sequence[Card]) -> Iterator[None]:
    """Make torch answer as if these cards were there, with what others leave free."""
    free = [(card.usable or 0, card.capacity) for card in cards]
    make_tensor = torch.tensor

    def tensor(*arguments: Any, device: Any = None, **others: Any) -> Any:
        on_a_card = isinstance(device, int)
        return make_tensor(*arguments, device="cpu" if on_a_card else device, **others)

    with Replacements() as replaced:
        replaced.attribute(torch, "tensor", tensor)
        for name, answer in (
            ("is_available", lambda: True),
            ("device_count", lambda: len(free)),
            ("mem_get_info", lambda index=0: free[index]),
            ("memory_reserved", lambda index=0: 0),
            ("memory_allocated", lambda index=0: 0),
        ):
            replaced.attribute(torch.cuda, name, answer)
        yield
