"""What a quantised cache hands back, computed without any quantisation package.

Runs in the target; standard library only at module level. It follows transformers' own quantised
layers: the whole prompt is quantised in one go and used exactly while it is processed; the tokens
after it are kept exact until there are `residual_length` (128) of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GROUP = 64
"""Values that share a scale, as in transformers' default."""
TOKEN, CHANNEL = "per token", "per channel"
"""A group is 64 neighbouring channels of one token (transformers' default, axis 0), or 64
neighbouring tokens of one channel."""


def rounded(tensor: Any, bits: int, grouping: str) -> Any:
    """(batch, heads, tokens, width) after asymmetric rounding to ``bits``, group by group."""
    import torch

    if grouping == CHANNEL:
        return rounded(tensor.transpose(2, 3), bits, TOKEN).transpose(2, 3)
    length = tensor.shape[-1]
    # The last value again, which widens the range of no group.
    filler = tensor[..., -1:].expand(*tensor.shape[:-1], -length % GROUP)
    groups = torch.cat([tensor, filler], dim=-1).unflatten(-1, (-1, GROUP))
    least = groups.amin(-1, keepdim=True)
    step = (groups.amax(-1, keepdim=True) - least) / (2**bits - 1)
    step = torch.where(step > 0, step, torch.ones_like(step))
    whole = ((groups - least) / step).round() * step + least
    return whole.flatten(-2)[..., :length]


@contextmanager
def simulated(bits: int, grouping: str) -> Iterator[None]:
    """Every dynamic cache that is filled meanwhile gives its prompt back rounded."""
    from transformers.cache_utils import DynamicCache

    own = "update" in vars(DynamicCache)
    original = DynamicCache.update
    prompts: dict[tuple[int, int], tuple[Any, ...]] = {}

    def update(cache: Any, key: Any, value: Any, layer: int, *rest: Any, **more: Any) -> Any:
        keys, values = original(cache, key, value, layer, *rest, **more)
        held = prompts.get((id(cache), layer))
        if held is None:
            whole = tuple(rounded(tensor, bits, grouping) for tensor in (key, value))
            prompts[id(cache), layer] = (*whole, cache)  # kept alive, so that ids stay unique
            return keys, values
        count = held[0].shape[2]
        both = ((held[0], keys), (held[1], values))
        return tuple(_joined(prompt, tensor[:, :, count:]) for prompt, tensor in both)

    DynamicCache.update = update
    try:
        yield
    finally:
        if own:
            DynamicCache.update = original
        else:
            del DynamicCache.update


def _joined(prompt: Any, rest: Any) -> Any:
    import torch

    return torch.cat([prompt, rest], dim=2)
