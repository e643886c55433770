"""Norms, MLPs, patch embedding and merger by their formulas, from nothing but the weights.

A module whose weights have other names than those known here computes itself.
"""

from __future__ import annotations

from typing import Any

VISION_EPSILON = 1e-6
"""Of the norms of every vision tower; config.json does not say."""
ZERO_CENTRED = ("qwen3_5", "qwen3_5_moe")
"""Families whose norms multiply by 1 + weight."""
PLAIN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""Families whose norms multiply by the weight."""


def text_norm(module: Any, hidden: Any, epsilon: float, model_type: str) -> Any:
    """Root mean square norm over the last dimension."""
    if model_type not in PLAIN + ZERO_CENTRED or not hasattr(module, "weight"):
        return module(hidden)
    weight = module.weight.float()
    return _root_mean_square(hidden, epsilon) * (
        1 + weight if model_type in ZERO_CENTRED else weight
    )


def vision_norm(module: Any, hidden: Any) -> Any:
    """Layer norm where there is a bias, else by the root mean square."""
    from torch.nn import functional

    if not hasattr(module, "weight"):
        return module(hidden)
    if getattr(module, "bias", None) is None:
        return _root_mean_square(hidden, VISION_EPSILON) * module.weight.float()
    return functional.layer_norm(
        hidden, module.weight.shape, module.weight, module.bias, VISION_EPSILON
    )


def _root_mean_square(hidden: Any, epsilon: float) -> Any:
    hidden = hidden.float()
    return hidden * (hidden.pow(2).mean(-1, keepdim=True) + epsilon).rsqrt()


def mlp(module: Any, hidden: Any, activation: str | None) -> Any:
    """(tokens, width); gated where there is a gate. ``activation`` None: what the family has."""
    if hasattr(module, "gate_proj") and hasattr(module, "down_proj"):
        act = _activation(activation or "silu")
        if act is not None:
            gate = act(_linear(module.gate_proj, hidden))
            return _linear(module.down_proj, gate * _linear(module.up_proj, hidden))
    for first, second, usual in (
        ("fc1", "fc2", "quick_gelu"),
        ("linear_fc1", "linear_fc2", "gelu_pytorch_tanh"),
    ):
        act = _activation(activation or usual)
        if act is not None and hasattr(module, first) and hasattr(module, second):
            return _linear(getattr(module, second), act(_linear(getattr(module, first), hidden)))
    found = module(hidden[None])  # experts want a batch
    return (found[0] if isinstance(found, tuple) else found)[0]


def patch_embed(module: Any, pixels: Any) -> Any:
    """(patches, values) -> (patches, width): a convolution whose stride is its kernel is one
    matrix product per patch."""
    weight = getattr(getattr(module, "proj", None), "weight", None)
    if weight is None or weight[0].numel() != pixels.shape[-1]:
        return module(pixels)
    found = pixels.to(weight.dtype) @ weight.flatten(1).T
    bias = getattr(module.proj, "bias", None)
    return found if bias is None else found + bias


def merger(module: Any, hidden: Any, together: int) -> Any:
    """``together`` patches become one visual token; the norm is over one patch or over all of
    them, as its weight is long."""
    from torch.nn import functional

    width = hidden.shape[-1]
    if hasattr(module, "ln_q") and hasattr(module, "mlp"):
        norm, first, second = module.ln_q, module.mlp[0], module.mlp[2]
    elif hasattr(module, "norm") and hasattr(module, "linear_fc1"):
        norm, first, second = module.norm, module.linear_fc1, module.linear_fc2
    else:
        return module(hidden)
    if norm.weight.shape[0] == width:
        hidden = vision_norm(norm, hidden).reshape(-1, width * together)
    else:
        hidden = vision_norm(norm, hidden.reshape(-1, width * together))
    return _linear(second, functional.gelu(_linear(first, hidden)))


def _linear(module: Any, hidden: Any) -> Any:
    from torch.nn import functional

    return functional.linear(hidden, module.weight, module.bias)


def _activation(name: str) -> Any:
    """None for those that are not known here."""
    import torch
    from torch.nn import functional

    return {
        "silu": functional.silu,
        "gelu": functional.gelu,
        "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    }.get(name)
