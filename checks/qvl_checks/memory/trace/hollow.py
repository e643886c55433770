"""The model without weights: the installed class on the meta device, then on fake devices."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional, Union

from qvl_checks.memory.trace import flash
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.models.build import model_class

Attention = Union[str, Mapping[str, str], None]
DEFAULT = "sdpa"
"""What every release selects for these families when nothing is stated."""
INTERNAL = "_attn_implementation_internal"


def build(torch: Any, config: Any, dtype: str, attention: Attention, replaced: Replacements) -> Any:
    """The model with every parameter and buffer on the meta device.

    ``attention`` is a name or a mapping from sub-config (``""``, ``text_config``,
    ``vision_config``) to a name. It is selected without asking whether its package is installed;
    what that takes is undone with ``replaced``.
    """
    classed = model_class(config)
    modeling = sys.modules[classed.__module__]
    chosen = implementations(attention)
    if any(name in flash.NAMES for name in chosen.values()):
        flash.install(torch, modeling, replaced)
    _select(config, chosen, settled=True)
    wanted = getattr(torch, dtype)
    with _default_dtype(torch, wanted), torch.device("meta"), _unchecked(classed):
        model = classed(config)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(wanted)
    model.tie_weights()
    for module in model.modules():
        own = getattr(module, "config", None)
        if own is not None:
            _select(own, chosen, settled=True)
    return model.eval()


def implementations(attention: Attention) -> dict[str, str]:
    """Sub-config name -> implementation, for ``text_config`` and ``vision_config``."""
    if attention is None or isinstance(attention, str):
        attention = {"": attention or DEFAULT}
    common = attention.get("", DEFAULT)
    return {name: attention.get(name, common) for name in ("text_config", "vision_config")}


def to_fake(model: Any, fake: Callable[[Any, str], Any], torch: Any) -> None:
    """Put every parameter and buffer on a fake device: ``fake(tensor, name)`` makes the new one,
    or returns None for one that stays as it is.

    Ties are kept.
    """
    made: dict[int, Any] = {}
    kept: list[Any] = []
    for prefix, module in model.named_modules():
        for store in (module._parameters, module._buffers):
            for key, tensor in list(store.items()):
                if tensor is None:
                    continue
                if id(tensor) not in made:
                    kept.append(tensor)
                    new = fake(tensor, f"{prefix}.{key}" if prefix else key)
                    if new is None:
                        new = tensor
                    elif store is module._parameters:
                        new = torch.nn.Parameter(new, requires_grad=False)
                    made[id(tensor)] = new
                store[key] = made[id(tensor)]


def _select(config: Any, chosen: Mapping[str, str], *, settled: bool) -> None:
    """Write the implementation into a config and those inside it, past every check."""
    vision = type(config).__name__.endswith("VisionConfig")
    name = chosen["vision_config" if vision else "text_config"]
    setattr(config, INTERNAL, name)
    # Releases up to 4.57 choose anew unless this says that somebody has.
    config._attn_implementation_autoset = settled
    for key in ("text_config", "vision_config"):
        inner = getattr(config, key, None)
        if inner is not None and inner is not config:
            _select(inner, chosen, settled=settled)


@contextlib.contextmanager
def _unchecked(classed: Any) -> Iterator[None]:
    """Construction without the question whether the attention implementation is installed."""
    import transformers

    base = transformers.PreTrainedModel
    saved: dict[str, Any] = {}
    for name in ("_check_and_adjust_attn_implementation", "_autoset_attn_implementation"):
        if name in vars(base):
            saved[name] = vars(base)[name]
    if "_check_and_adjust_attn_implementation" in saved:
        base._check_and_adjust_attn_implementation = lambda self, name, *_, **__: name
    if "_autoset_attn_implementation" in saved:
        base._autoset_attn_implementation = classmethod(lambda cls, config, *_, **__: config)
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(base, name, value)


@contextlib.contextmanager
def _default_dtype(torch: Any, dtype: Any) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def text_config(config: Any) -> Any:
    """Where the language model's fields are: a sub-config, or the config itself (flat)."""
    inner: Optional[Any] = getattr(config, "text_config", None)
    return config if inner is None else inner
