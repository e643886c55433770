"""Integers without a GPU: small integer and boolean tensors carry their values along.

A model decides by the values of grids, masks and token ids how much it computes. Each fake tensor
of that kind has a *shadow*, a real CPU tensor that every operator is applied to as well.
"""

from __future__ import annotations

from typing import Any, Optional

LIMIT = 2**24
"""Elements; larger results carry no values (no model looks at those of a full attention mask)."""
FLOAT_LIMIT = 2**14
"""The same for floats, of which only coordinates on their way to integers matter."""
ATTRIBUTE = "_qvl_shadow"


def shadow_of(tensor: Any) -> Optional[Any]:
    """The values of a fake tensor, or None where only its shape is known."""
    return getattr(tensor, ATTRIBUTE, None)


def give_shadow(tensor: Any, values: Any) -> None:
    """Let a fake tensor carry these values, if they are of a kind and size worth it."""
    limit = FLOAT_LIMIT if values.is_floating_point() else LIMIT
    if values.shape == tensor.shape and values.untyped_storage().nbytes() <= limit * 8:
        setattr(tensor, ATTRIBUTE, values)


def drop_shadow(tensor: Any) -> None:
    """Its values are no longer known."""
    if shadow_of(tensor) is not None:
        delattr(tensor, ATTRIBUTE)


def worth_computing(outputs: list[Any]) -> bool:
    """Whether shadows of these results may be computed: none of them large."""
    return all(
        output.numel() <= (FLOAT_LIMIT if output.is_floating_point() else LIMIT)
        for output in outputs
    )
