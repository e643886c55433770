"""What a cache weighs: by its tensors, and by the formula.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

from typing import Any


def growth(run: dict[str, Any]) -> float | None:
    """Bytes by which all tensors of the cache together grow per token that was processed."""
    if len(run["steps"]) < 2:
        return None
    first, last = run["steps"][0], run["steps"][-1]
    tokens = sum(step["fed"] or 0 for step in run["steps"][1:])
    if not first["length"] or not last["length"] or not tokens:
        return None
    return float((last["bytes"] - first["bytes"]) / tokens)


def tensor_bytes(thing: Any, seen: dict[int, Any] | None = None) -> list[int]:
    """Sizes of every tensor that a cache object holds, in any release's layout."""
    import torch

    seen = {} if seen is None else seen
    if id(thing) in seen:
        return []
    seen[id(thing)] = thing
    if isinstance(thing, torch.Tensor):
        if hasattr(thing, "__tensor_flatten__"):  # packed: its size is that of what it packs
            inner, _ = thing.__tensor_flatten__()
            return [size for name in inner for size in tensor_bytes(getattr(thing, name), seen)]
        return [thing.numel() * thing.element_size()]
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, (list, tuple)):
        parts = list(thing)
    elif type(thing).__module__.startswith("transformers.") and hasattr(thing, "__dict__"):
        parts = list(vars(thing).values())
    else:
        return []
    return [size for part in parts for size in tensor_bytes(part, seen)]


def kinds_of(config: Any) -> list[str]:
    """``full_attention``, ``sliding_attention`` or ``linear_attention``, layer by layer."""
    text = config.get_text_config()
    return list(getattr(text, "layer_types", None) or ["full_attention"] * text.num_hidden_layers)


def shape(config: Any) -> dict[str, Any]:
    """Layers by what they keep, key/value heads, head size of a language model."""
    text = config.get_text_config()
    kinds = kinds_of(config)
    heads = int(text.num_attention_heads)
    sliding = kinds.count("sliding_attention")
    return {
        "layers": int(text.num_hidden_layers),
        "full_attention_layers": kinds.count("full_attention"),
        "sliding_layers": sliding,
        "window": int(text.sliding_window) if sliding else None,
        "kv_heads": int(getattr(text, "num_key_value_heads", None) or heads),
        "head_dim": int(getattr(text, "head_dim", None) or text.hidden_size // heads),
    }


def per_layer(config: Any, bytes_per_value: int) -> int:
    """2 (K and V) x key/value heads x head size x bytes: of one token in one layer."""
    numbers = shape(config)
    return int(2 * numbers["kv_heads"] * numbers["head_dim"] * bytes_per_value)


def formula(config: Any, bytes_per_value: int) -> int:
    """Of one token in all layers that keep tokens; beyond the window, sliding ones keep no more."""
    numbers = shape(config)
    growing = int(numbers["full_attention_layers"] + numbers["sliding_layers"])
    return growing * per_layer(config, bytes_per_value)


def fixed(config: Any, bytes_per_value: int, state_bytes: int) -> int:
    """What the linear-attention layers keep of a sequence, whatever its length: the last inputs of
    the convolution, and a matrix per value head, in ``state_bytes`` per value."""
    text = config.get_text_config()
    count = kinds_of(config).count("linear_attention")
    if not count:
        return 0
    keys = text.linear_num_key_heads * text.linear_key_head_dim
    values = text.linear_num_value_heads * text.linear_value_head_dim
    convolution = (2 * keys + values) * text.linear_conv_kernel_dim
    return int(
        count * (convolution * bytes_per_value + values * text.linear_key_head_dim * state_bytes)
    )
