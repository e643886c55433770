"""Integers without a GPU: small integer and boolean tensors carry their values along.

A model decides by the values of grids, masks and token ids how much it computes. Each fake tensor
of that kind has a *shadow*, a real CPU tensor that every operator is applied to as well.
"""

from __future__ import annotations

from typing import Any, Optional

LIMIT = 2**25
"""Bytes of storage; larger results carry no values (no model looks at a full attention mask's)."""
FLOAT_LIMIT = 2**17
"""The same for floats, of which only coordinates on their way to integers matter."""
ATTRIBUTE = "_qvl_shadow"


def shadow_of(tensor: Any) -> Optional[Any]:
    """The values of a fake tensor, or None where only its shape is known."""
    return getattr(tensor, ATTRIBUTE, None)


def give_shadow(tensor: Any, values: Any) -> None:
    """Let a fake tensor carry these values, if they are of a kind and size worth it."""
    if values.shape == tensor.shape and _small(values):
        setattr(tensor, ATTRIBUTE, values)


def drop_shadow(tensor: Any) -> None:
    """Its values are no longer known."""
    if shadow_of(tensor) is not None:
        delattr(tensor, ATTRIBUTE)


def worth_computing(outputs: list[Any]) -> bool:
    """Whether shadows of these results may be computed: none of them large."""
    return all(map(_small, outputs))


def _small(tensor: Any) -> bool:
    limit = FLOAT_LIMIT if tensor.is_floating_point() else LIMIT
    return bool(tensor.untyped_storage().nbytes() <= limit)
