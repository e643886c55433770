"""What storing logits in half precision does to attention, simulated for one row of weights.

Runs in the target and in the doctor: standard library only, Python 3.9.

Eager attention stores Q·Kᵀ in the model's dtype, multiplies by the scaling and stores it again;
only then comes a float32 softmax. With values that are independent of each other the relative L2
error of the output is expected to be |p' - p| / |p|, p being the exact weights and p' those after
rounding: that is what is computed here, so that rows in which one key takes all the weight, and to
which rounding therefore does nothing, are seen as such. For many keys of similar weight it comes
near to sqrt(u1² + u2²) / sqrt(12), u1 and u2 the spacings of the two roundings.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

FP16_MAX = 65504.0
BITS = {"bfloat16": 8, "float16": 11}
"""Of the significand, the hidden one included."""
SMALLEST_EXPONENT = {"bfloat16": -125, "float16": -13}
"""As `math.frexp` counts; below it the spacing stays."""
CONTENT_SPREAD = 2.0
"""Standard deviation that the prompt's content gives the logits; trained heads lie around it."""


def spacing(value: float, dtype: str = "bfloat16") -> float:
    """Distance between neighbouring numbers of the dtype at this magnitude."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    exponent = max(math.frexp(value)[1], SMALLEST_EXPONENT[dtype])
    return math.ldexp(1.0, exponent - BITS[dtype])


def rounded(value: float, dtype: str) -> float:
    """The nearest number of the dtype (ties to even), infinite beyond its range."""
    unit = spacing(value, dtype)
    if not unit:
        return value
    near = round(value / unit) * unit
    if dtype == "float16" and abs(near) > FP16_MAX:
        return math.copysign(math.inf, near)
    return near


def content(count: int, generator: random.Random) -> list[float]:
    """What a prompt adds to the logits of a row of so many keys."""
    return [generator.gauss(0.0, CONTENT_SPREAD) for _ in range(count)]


def eager_squares(
    products: Sequence[float], scaling: float, dtype: str
) -> tuple[float, float] | None:
    """|p' - p|² and |p|² of eager attention on a row of exact, unscaled products; None: not finite.

    Sums over rows of the first by sums of the second are the square of the relative L2 error, as
    rows in which one key takes all the weight have larger outputs than rows that average over many.
    """
    exact = softmax([product * scaling for product in products])
    stored = [rounded(rounded(product, dtype) * scaling, dtype) for product in products]
    if not math.isfinite(max(stored)):
        return None
    weights = softmax(stored)
    difference = sum((a - b) ** 2 for a, b in zip(weights, exact))  # noqa: B905
    return difference, sum(weight * weight for weight in exact)


def softmax(logits: Sequence[float]) -> list[float]:
    """Weights that sum to one; logits may hold -inf."""
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def weighted_mean(products: Sequence[float], scaling: float) -> float:
    """The logit at which a row's weight lies: what is rounded there is what matters."""
    logits = [product * scaling for product in products]
    return sum(w * logit for w, logit in zip(softmax(logits), logits))  # noqa: B905
