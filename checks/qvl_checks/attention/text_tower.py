"""The language model inside a Qwen-VL model: its attention modules and their implementation.

Runs in the target; standard library only at module level. Up to transformers 4.52 the
implementation is the class of each attention module, from 4.53 on a name in its configuration.
"""

from __future__ import annotations

from typing import Any

from qvl_checks.attention import cure


def attention_modules(model: Any) -> list[Any]:
    """The language model's attention modules, in order; linear attention has no k_proj and is left
    out, and so are the vision tower's modules, which have a fused qkv."""
    return [module for module in model.modules() if _is_text_attention(module)]


def selected(model: Any, model_type: str) -> str:
    """The implementation that the language model runs; "" when it has no attention module."""
    modules = attention_modules(model)
    if not modules:
        return ""
    if not cure.has_attention_functions():
        for name, kind in classes(model_type).items():
            if type(modules[0]) is kind:
                return str(name)
    return str(modules[0].config._attn_implementation)


def switch(model: Any, implementation: str, model_type: str) -> None:
    """Make the language model, and only it, run ``implementation``; the statement that a report
    prints is the one that is executed.

    Raises:
        ValueError: transformers kept the old one.
        ImportError, KeyError: it is not available here.
    """
    statement = cure.switch_statement(implementation)
    if statement:
        exec(statement, {"model": model})
    else:
        _replace_modules(model, implementation, model_type)
    now = selected(model, model_type)
    if now != implementation:
        raise ValueError(f"asked for {implementation}, transformers runs {now}")


def classes(model_type: str) -> Any:
    """Implementation -> attention class, in releases before 4.53."""
    return getattr(cure.modeling_module(model_type), cure.classes_name(model_type))


def _is_text_attention(module: Any) -> bool:
    return hasattr(module, "k_proj") and hasattr(module, "layer_idx")


def _replace_modules(model: Any, implementation: str, model_type: str) -> None:
    kind = classes(model_type)[implementation]
    for parent in list(model.modules()):
        old = getattr(parent, "self_attn", None)
        if old is None or not _is_text_attention(old):
            continue
        weight = old.k_proj.weight
        new = kind(old.config, old.layer_idx).to(weight.device, weight.dtype)
        new.load_state_dict(old.state_dict())
        parent.self_attn = new.eval()
        # The mask is built for the implementation that the configuration names.
        old.config._attn_implementation = implementation
