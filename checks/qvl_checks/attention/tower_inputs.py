"""Inputs of the two towers, and what attention over them should give.

Runs in the target; standard library only at module level. Two causes of drift are told apart by
two kinds of input: in the plain kind the channel that carries the common offset is the same in
every key, so that storing the keys loses none of it and only an implementation's own rounding
shows; in the other this channel carries content as well, as a trained bias leaves it, and storing
the keys in a low precision loses that content before any implementation sees it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from qvl_checks.attention.tower_functions import Layout, repeated

TEXT, VISION = "text", "vision"
FULL, WINDOWED = "full", "windowed"
HEADS = {TEXT: (4, 2), VISION: (2, 2)}
"""Tower -> (query heads, key heads)."""
WINDOWS = (64, 64, 32, 64, 16)
"""Patches of the windows, in turn; those at the border of an image are smaller."""
SPREAD = 2.0
"""Standard deviation of the logits without the offset; trained heads lie around it."""
CONTENT = 0.5
"""Standard deviation of the logits that the content in the offset's channel gives."""
LARGEST_KEY = 64.0
"""The constant in the keys; larger offsets are made by larger queries."""


class Case(NamedTuple):
    """One input."""

    tower: str
    layout: str
    dtype: str
    width: int
    length: int
    offset: float
    content: bool


class Tensors(NamedTuple):
    """(1, heads, tokens, width) each."""

    query: Any
    key: Any
    value: Any


def layout_of(case: Case) -> Layout:
    """Causal for the language model; segments for the vision tower."""
    if case.layout == FULL:
        return Layout(case.tower == TEXT, (case.length,))
    segments: list[int] = []
    left = case.length
    while left:
        segments.append(min(WINDOWS[len(segments) % len(WINDOWS)], left))
        left -= segments[-1]
    return Layout(False, tuple(segments))


def unrounded(case: Case, device: str) -> Tensors:
    """In float32; the same on every machine."""
    import torch

    heads, key_heads = HEADS[case.tower]
    generator = torch.Generator().manual_seed(case.length + case.width)

    def drawn(count: int, *width: int) -> Any:
        return torch.randn(1, count, case.length, *width, generator=generator)

    query = drawn(heads, case.width) * math.sqrt(SPREAD)
    key = drawn(key_heads, case.width) * math.sqrt(SPREAD)
    value = drawn(key_heads, case.width)
    constant = min(max(float(case.offset), 1.0), LARGEST_KEY)
    asked = case.offset * math.sqrt(case.width) / constant
    query[..., -1] = asked
    key[..., -1] = constant if case.offset else 0.0
    if case.content and asked:
        key[..., -1] += drawn(key_heads) * (CONTENT * math.sqrt(case.width) / asked)
    return Tensors(*(tensor.to(device) for tensor in (query, key, value)))


def stored(tensors: Tensors, dtype: str) -> Tensors:
    """As the model holds them."""
    import torch

    return Tensors(*(tensor.to(getattr(torch, dtype)) for tensor in tensors))


def exact(tensors: Tensors, scaling: float, layout: Layout) -> Any:
    """Attention in float64, in the layout of the queries."""
    import torch

    def attend(query: Any, key: Any, value: Any) -> Any:
        logits = query.double() @ key.double().transpose(-1, -2) * scaling
        return torch.softmax(_hidden(logits, layout.causal), dim=-1) @ value.double()

    return _by_head_and_segment(attend, tensors, layout)


def with_float32_logits(tensors: Tensors, scaling: float, layout: Layout) -> Any:
    """Q·Kᵀ and the softmax in float32, weights and values in the dtype of the tensors."""
    import torch

    def attend(query: Any, key: Any, value: Any) -> Any:
        logits = (query.float() * scaling) @ key.float().transpose(-1, -2)
        weights = torch.softmax(_hidden(logits, layout.causal), dim=-1)
        return weights.to(value.dtype) @ value

    return _by_head_and_segment(attend, tensors, layout)


def _hidden(logits: Any, causal: bool) -> Any:
    import torch

    if not causal:
        return logits
    later = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
    return logits.masked_fill(later, float("-inf"))


def _by_head_and_segment(attend: Any, tensors: Tensors, layout: Layout) -> Any:
    """A head at a time, because float64 logits of all heads would take too much memory."""
    import torch

    query = tensors.query
    key, value = repeated(query, tensors.key), repeated(query, tensors.value)
    heads = []
    for head in range(query.shape[1]):
        splits = (tensor[:, head].split(layout.segments, dim=1) for tensor in (query, key, value))
        heads.append(torch.cat(list(map(attend, *splits)), dim=1))
    return torch.stack(heads, dim=1)
