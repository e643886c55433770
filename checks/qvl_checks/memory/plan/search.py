"""The largest number that still fits, in few predictions. Standard library only: runs in the
target."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

EARLIER = 16
"""Which part of the way to the crossing is left out."""


class Look(NamedTuple):
    """What one prediction says."""

    fits: bool
    margin: int
    """Bytes that the tightest device has beyond its peak in tensors; negative: missing."""


def largest(
    look: Callable[[int], Look],
    low: int,
    high: int,
    *,
    begin: int = 2,
    growth: int = 4,
    power: int = 1,
    slack: float = 0.0,
) -> int | None:
    """The largest number from ``low`` to ``high`` that fits; None: not even ``low`` does.

    Memory grows by and large evenly with the number's ``power``, so the next one to look at is
    computed from what is left; every second one halves the range instead, which bounds their count.
    After ``low``, the first look is at ``begin``; none is at more than ``growth`` times a number
    that is known to fit, because predicting far too large a workload takes long. With ``slack`` the
    answer may be too small by that part of it.
    """
    first = look(low)
    if not first.fits:
        return None
    if low == high:
        return low
    begin = min(max(begin, low + 1), high)
    good, bad = _bracket(look, (low, first), begin, growth, high, power)
    if bad is None:
        return good[0]
    halve = False
    while bad[0] - good[0] > max(1, slack * good[0]):
        middle = (good[0] + bad[0]) // 2
        place = middle if halve or bad[1].margin >= 0 else _crossing(good, bad, power)
        found = look(place)
        if found.fits:
            good = place, found
        else:
            bad = place, found
        halve = not halve
    return good[0]


Point = tuple[int, Look]


def _bracket(
    look: Callable[[int], Look], good: Point, place: int, growth: int, high: int, power: int
) -> tuple[Point, Point | None]:
    """A number that fits and a larger one that does not; None for that: ``high`` fits."""
    while True:
        found = look(place)
        if not found.fits:
            return good, (place, found)
        if place == high:
            return (place, found), None
        each = (good[1].margin - found.margin) / (place**power - good[0] ** power)
        good = place, found
        reach = growth * place
        if each > 0:
            reach = int((place**power + max(found.margin, 0) / each) ** (1 / power)) + 1
        # What grows faster than evenly is caught at once, what grows in jumps soon after.
        place = min(max(reach, place + 1), growth * place, high)


def _crossing(good: Point, bad: Point, power: int) -> int:
    """Where a straight line between the two has used up the margin, a little earlier because a
    fragmented allocator does not use up all of it; strictly between them."""
    have, lack = good[1].margin, -bad[1].margin
    low, high = good[0] ** power, bad[0] ** power
    crossing = int((low + (high - low) * have / max(have + lack, 1)) ** (1 / power))
    place = crossing - (crossing - good[0]) // EARLIER
    return min(max(place, good[0] + 1), bad[0] - 1)
