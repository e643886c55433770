"""What the static prediction for a checkpoint means: which layers eager attention breaks, and why
others are safe."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from qvl_checks.attention.drift_verdict import FLOOR
from qvl_checks.attention.key_bias_facts import KeyBiasFacts, LayerPrediction
from qvl_checks.attention.logit_rounding import FP16_MAX, spacing

NAMED = 8
"""Layers that a sentence names one by one."""
NEAR = 0.5
"""Share of the range of float16 from which a prediction is too close to call."""


def breaks(layer: LayerPrediction, dtype: str) -> bool:
    """Whether eager attention is predicted to be off by `FLOOR` or more, or not finite, here."""
    if layer.offset is None:
        return False
    error = layer.error(dtype)
    return overflows(layer) if dtype == "float16" and error is None else (error or 0.0) >= FLOOR


def overflows(layer: LayerPrediction) -> bool:
    """Whether its biases alone lift unscaled products beyond the range of float16."""
    return (layer.largest_product or 0.0) > FP16_MAX


def breaking(facts: KeyBiasFacts, dtype: str, tower: str = "text") -> tuple[LayerPrediction, ...]:
    """The layers that break in this dtype."""
    return tuple(layer for layer in facts.of(tower) if breaks(layer, dtype))


def near_overflow(facts: KeyBiasFacts) -> tuple[LayerPrediction, ...]:
    """Layers of the language model whose products come within `NEAR` of the range of float16."""
    return tuple(
        layer
        for layer in facts.of("text")
        if NEAR * FP16_MAX < (layer.largest_product or 0.0) <= FP16_MAX
    )


def damaged(facts: KeyBiasFacts) -> tuple[LayerPrediction, ...]:
    """Layers whose biases are not numbers."""
    return tuple(layer for layer in facts.of("text") if layer.nonfinite)


def read(facts: KeyBiasFacts | None) -> KeyBiasFacts | None:
    """The prediction, if there is one."""
    return facts if facts is not None and facts.state == "read" else None


def immunity(facts: KeyBiasFacts) -> str:
    """Why no layer of the language model breaks, in a sentence."""
    text = facts.of("text")
    bounds = [layer.bound for layer in text if layer.bound is not None]
    if bounds and len(bounds) == len(text):
        return (
            "Its queries and keys are normalised"
            + ("" if any(layer.has_key_bias for layer in text) else ", and k_proj has no bias")
            + f": their norms' weights keep logits below about {max(bounds):.3g}, where "
            f"{_grid(max(bounds))}."
        )
    if not any(layer.has_key_bias for layer in text):
        return "No k_proj of this checkpoint has a bias, so no common offset can come from one."
    largest = max((abs(layer.offset or 0.0) for layer in text), default=0.0)
    return (
        f"The largest offset that its biases give the logits is {largest:.3g}, where "
        f"{_grid(largest)}."
    )


def described(layers: Sequence[LayerPrediction]) -> str:
    """``layer 0 (norm of k_proj.bias 605, offset 724, spacing 4)``, for the worst ones."""
    parts = []
    for layer in layers[:NAMED]:
        offset = layer.offset or 0.0
        parts.append(
            f"layer {layer.layer} (norm of k_proj.bias {layer.key_bias_norm or 0:.0f}, offset "
            f"{offset:.0f}, neighbouring bfloat16 numbers {spacing(offset):g} apart)"
        )
    more = len(layers) - NAMED
    return _listed([*parts, f"{more} more"] if more > 0 else parts)


def names(numbers: Iterable[int]) -> str:
    """``layer 0``, ``layers 0 and 27``, ``layers 0, 1, 2 and 9 more``."""
    ordered = [str(number) for number in sorted(numbers)]
    if len(ordered) == 1:
        return f"layer {ordered[0]}"
    if len(ordered) > NAMED:
        ordered = [*ordered[: NAMED - 1], f"{len(ordered) - NAMED + 1} more"]
    return f"layers {_listed(ordered)}"


def evidence(facts: KeyBiasFacts) -> dict[str, Any]:
    """The numbers for a report."""
    text = facts.of("text")
    norms = [layer.key_bias_norm for layer in text if layer.key_bias_norm is not None]
    errors = [layer for layer in text if layer.offset is not None]
    worst = sorted(errors, key=lambda layer: -abs(layer.offset or 0.0))[:NAMED]
    found: dict[str, Any] = {
        "bytes_read": facts.bytes_read,
        "layers": len(text),
        "breaks_in_bfloat16": [layer.layer for layer in breaking(facts, "bfloat16")],
        "breaks_in_float16": [layer.layer for layer in breaking(facts, "float16")],
        "overflows_in_float16": [layer.layer for layer in text if overflows(layer)],
        "vision_breaks_in_bfloat16": [
            layer.layer for layer in breaking(facts, "bfloat16", "vision")
        ],
    }
    if norms:
        found["median_key_bias_norm"] = statistics.median(norms)
    if any(layer.bound is not None for layer in text):
        found["largest_logit_of_normalised_keys"] = max(layer.bound or 0.0 for layer in text)
    found["largest_offsets"] = [
        {
            "layer": layer.layer,
            "key_bias_norm": layer.key_bias_norm,
            "query_bias_norm": layer.query_bias_norm,
            "offset": layer.offset,
            "offset_at_distance_0": layer.offset_at_zero,
            "bfloat16_spacing": spacing(layer.offset or 0.0),
            "largest_unscaled_product": layer.largest_product,
            "error_bfloat16": layer.error_bfloat16,
            "error_float16": layer.error_float16,
        }
        for layer in worst
    ]
    return found


def _grid(offset: float) -> str:
    unit = spacing(offset)
    error = unit * math.sqrt(2 / 12)
    return f"bfloat16 numbers lie {unit:g} apart and rounding costs attention about {error:.1%}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
