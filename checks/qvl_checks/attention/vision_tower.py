"""The vision tower inside a Qwen-VL model: its attention modules and their implementation.

Runs in the target; standard library only at module level. As in the language model the
implementation is a class up to transformers 4.52 and a name in the configuration from 4.53 on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from qvl_checks.attention import cure
from qvl_checks.attention.layer_watch import relative

PLANTED = 80.0
"""Constant in the biases of q and k: an offset of 716 for heads 80 wide."""


def attention_modules(model: Any) -> list[Any]:
    """The tower's attention modules, in order: those with a fused projection of q, k and v."""
    return [
        module for module in model.modules() if hasattr(module, "qkv") and hasattr(module, "proj")
    ]


def switch(model: Any, implementation: str, model_type: str) -> None:
    """Make the vision tower, and only it, run ``implementation``; the statement that a report
    prints is the one that is executed.

    Raises:
        ValueError: transformers kept the old one.
        ImportError, KeyError, AttributeError: it is not available here.
    """
    statement = cure.switch_statement(implementation, "vision")
    if statement:
        exec(statement, {"model": model})
        now = {module.config._attn_implementation for module in attention_modules(model)}
        if now != {implementation}:
            raise ValueError(f"asked for {implementation}, transformers runs {sorted(now)}")
        return
    kind = _class_of(implementation, model_type)
    for module in attention_modules(model):
        # The classes differ in their forward, and in an attribute that not every one sets.
        module.__class__ = kind
        module.head_dim = module.qkv.in_features // module.num_heads


def measure(
    model: Any, inputs: dict[str, Any], model_type: str, names: Sequence[str]
) -> dict[str, Any]:
    """Relative L2 error of the first block's attention against float32, by implementation, with a
    planted offset; ``missing`` holds those that do not run, with the reason."""
    offset = plant(model, PLANTED)
    exact = copy.deepcopy(model).float()
    switch(exact, "eager", model_type)
    reference = first_output(exact, inputs)
    errors: dict[str, float | None] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            switch(model, name, model_type)
            errors[name] = relative(first_output(model, inputs), reference)
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {error}"[:400]
    return {"offset": offset, "errors": errors, "missing": missing}


def _class_of(implementation: str, model_type: str) -> Any:
    """Before 4.53; the cure has taken the place of eager's class there, and is derived from it."""
    table = getattr(cure.modeling_module(model_type), cure.classes_name(model_type, "vision"))
    kind = table["eager" if implementation == cure.NAME else implementation]
    while implementation == "eager" and kind.__name__ == cure.CURED_CLASS:
        kind = kind.__mro__[1]
    return kind


def plant(model: Any, size: float) -> float:
    """Give every head of the first block a constant bias in q and k, on the slowest rotary pair of
    the columns, and no content there; returns the offset that this gives the scaled logits."""
    module = attention_modules(model)[0]
    heads, width = module.num_heads, module.qkv.out_features // 3 // module.num_heads
    parts = module.qkv.bias.data.view(3, heads, width)
    parts.zero_()
    parts[:2, :, width // 2 - 1] = size
    rows = module.qkv.weight.data.view(3, heads, width, -1)
    rows[:2, :, [width // 2 - 1, width - 1]] = 0.0
    return float(size * size / width**0.5)


def first_output(model: Any, inputs: dict[str, Any]) -> Any:
    """What the first block's attention puts out for these inputs, (patches, width), float32."""
    found: list[Any] = []
    module = attention_modules(model)[0]
    handle = module.proj.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    try:
        model(**inputs, use_cache=False)
    finally:
        handle.remove()
    return found[0].float()
