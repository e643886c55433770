"""What each layer of a model keeps in the cache.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

from typing import Any

from qvl_checks.kv_cache.cache_bytes import kinds_of, tensor_bytes


def by_layer(cache: Any) -> list[dict[str, Any]]:
    """Of every layer: what holds it, the bytes of its tensors, the tokens that it holds (None for a
    state without tokens); in any release's layout."""
    layers = getattr(cache, "layers", None)
    if layers is not None:
        return [
            {
                "holder": type(layer).__name__,
                "bytes": sum(tensor_bytes(layer)),
                "tokens": _tokens(getattr(layer, "keys", None)),
            }
            for layer in layers
        ]
    # Up to 4.53, and in the hybrid families up to 5.4: a list per kind of tensor.
    lists = [value for value in vars(cache).values() if isinstance(value, list)] if cache else []
    keys = getattr(cache, "key_cache", [])
    return [
        {
            "holder": type(cache).__name__,
            "bytes": sum(sum(tensor_bytes(held[index])) for held in lists if index < len(held)),
            "tokens": _tokens(keys[index]) if index < len(keys) else None,
        }
        for index in range(max((len(held) for held in lists), default=0))
    ]


def table(steps: list[list[dict[str, Any]]], fed: list[Any], config: Any) -> list[dict[str, Any]]:
    """One row per layer from what `by_layer` said after every step; ``fed`` are the tokens of each
    step. Growth is None where the number of layers changed meanwhile."""
    if not steps or any(len(step) != len(steps[0]) for step in steps):
        return []
    kinds = kinds_of(config)
    tokens = sum(count or 0 for count in fed[1:])
    return [
        {
            "kind": kinds[index] if index < len(kinds) else "",
            "holder": last["holder"],
            "bytes_after_prompt": first["bytes"],
            "growth_per_token": (last["bytes"] - first["bytes"]) / tokens if tokens else None,
            "tokens": last["tokens"],
        }
        for index in range(len(steps[0]))
        for first, last in [(steps[0][index], steps[-1][index])]
    ]


def _tokens(keys: Any) -> int | None:
    return int(keys.shape[-2]) if getattr(keys, "ndim", 0) == 4 else None
