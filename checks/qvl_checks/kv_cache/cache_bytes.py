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


def shape(config: Any) -> dict[str, int]:
    """Layers, layers that keep every token, key/value heads, head size of a language model."""
    text = config.get_text_config()
    layers = int(text.num_hidden_layers)
    kinds = getattr(text, "layer_types", None)
    full = sum(kind == "full_attention" for kind in kinds) if kinds else layers
    heads = int(text.num_attention_heads)
    return {
        "layers": layers,
        "full_attention_layers": full,
        "kv_heads": int(getattr(text, "num_key_value_heads", None) or heads),
        "head_dim": int(getattr(text, "head_dim", None) or text.hidden_size // heads),
    }


def formula(config: Any, bytes_per_value: int) -> int:
    """2 (K and V) x layers that keep every token x key/value heads x head size x bytes."""
    numbers = shape(config)
    per_layer = 2 * numbers["kv_heads"] * numbers["head_dim"] * bytes_per_value
    return numbers["full_attention_layers"] * per_layer
