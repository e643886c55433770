"""What the biases of q and k alone add to a logit, by the distance between query and key.

Runs in the target: standard library only, Python 3.9.

Rotary embedding turns the pair (i, i + d/2) of a query at position m by m·w_i and that of a key at
position n by n·w_i. With q = W_q x + b_q and k = W_k x + b_k the product holds

    b_q · R(m - n) · b_k = sum over pairs of |b_q,i| |b_k,i| cos(a_i + (m - n) w_i),

a_i the angle from b_k,i to b_q,i: at distance 0 the plain product of the biases. A slow pair keeps
its share at every distance, which is an offset that all keys of a query have in common; a fast pair
makes it a wave, which softmax does see. ``W_q x · R b_k`` has the same form, with a size that
changes from query to query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

DISTANCES = 96
"""Keys that a simulated text token looks at: those at the distances 0 to 95."""
GRID = 9
"""Places per side of the part of an image that a simulated place looks at."""
NEGLIGIBLE = 1e-4
"""Share of the whole below which a pair is left out."""


class Profiles:
    """Profiles over distances, for one set of rotary frequencies."""

    def __init__(self, tables: Sequence[tuple[Sequence[float], Sequence[float]]]) -> None:
        """``tables`` holds, by pair, the cosine and the sine of its angle at each place."""
        self._tables = tables

    @classmethod
    def of_text(cls, width: int, theta: float) -> Profiles:
        """A text token among text: it counts alike on all axes of M-RoPE."""
        places = range(DISTANCES)
        return cls([_table([rate * place for place in places]) for rate in _rates(width, theta)])

    @classmethod
    def of_visual_token(cls, width: int, theta: float, sections: Sequence[int]) -> Profiles:
        """A visual token among those of its image that come before it: the pairs of the first
        section turn with time, which stands still, the next with the row, the last with the
        column."""
        rows, columns = _grid(range(GRID))
        axes = [[0] * len(rows)] * sections[0] + [rows] * sections[1] + [columns] * sections[2]
        pairs = zip(_rates(width, theta), axes)  # noqa: B905 - Python 3.9
        return cls([_table([rate * place for place in places]) for rate, places in pairs])

    @classmethod
    def of_vision(cls, width: int, theta: float) -> Profiles:
        """A patch in the vision tower: the first half of the pairs turns with the row, the other
        with the column."""
        rates = _rates(width // 2, theta)
        reach = range(-(GRID // 2), GRID // 2 + 1)
        return cls(
            [
                _table([rate * place for place in places])
                for places in _grid(reach)
                for rate in rates
            ]
        )

    def profile(self, query: Sequence[float], key: Sequence[float]) -> list[float]:
        """The unscaled product of two constant vectors (width,) at each place."""
        pairs = len(self._tables)
        even = [query[i] * key[i] + query[i + pairs] * key[i + pairs] for i in range(pairs)]
        odd = [query[i + pairs] * key[i] - query[i] * key[i + pairs] for i in range(pairs)]
        sizes = [math.hypot(a, b) for a, b in zip(even, odd)]  # noqa: B905 - Python 3.9
        floor = NEGLIGIBLE * sum(sizes)
        found = [0.0] * len(self._tables[0][0])
        for i in range(pairs):
            if sizes[i] <= floor:
                continue
            cosine, sine = self._tables[i]
            a, b = even[i], -odd[i]
            found = [f + a * c + b * s for f, c, s in zip(found, cosine, sine)]  # noqa: B905
        return found


def _rates(width: int, theta: float) -> list[float]:
    pairs = width // 2
    return [theta ** (-index / pairs) for index in range(pairs)]


def _grid(rows: range) -> tuple[list[int], list[int]]:
    """Distances in rows and in columns of the places around one."""
    columns = range(-(GRID // 2), GRID // 2 + 1)
    return [row for row in rows for _ in columns], [column for _ in rows for column in columns]


def norm(vector: Sequence[float]) -> float:
    """Euclidean."""
    return math.sqrt(sum(map(mul, vector, vector)))


def _table(angles: Sequence[float]) -> tuple[list[float], list[float]]:
    return [math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]
