"""Path conditions.

A guard is a conjunction of literals `(key, arm, positive)`: "the branch `key` took `arm`" or
"did not take it".  Every value
carries the guard under which it holds, so that one environment serves all paths and correlated
branches stay correlated.
"""

from collections.abc import Hashable, Iterable
from functools import lru_cache

Literal = tuple[Hashable, Hashable, bool]
Guard = frozenset[Literal]

ALWAYS: Guard = frozenset()


def contradicts(left: Guard, right: Guard) -> bool:
    """Whether no execution satisfies both guards."""
    if not left or not right or left <= right or right <= left:
        return False
    return _contradicts(left, right)


@lru_cache(maxsize=100_000)
def _contradicts(left: Guard, right: Guard) -> bool:
    for key, arm, sign in left - right:
        for same, taken, polarity in right:
            if key == same and (sign != polarity if arm == taken else sign and polarity):
                return True
    return False


def outside(guard: Guard, path: Guard) -> list[Guard]:
    """The part of `guard` that is not on `path`, as disjoint guards; empty if `path` covers it."""
    parts: list[Guard] = []
    inside = guard
    for key, arm, sign in sorted(path - guard, key=repr):
        rest: Guard = inside | {(key, arm, not sign)}
        if not contradicts(inside, frozenset({(key, arm, not sign)})):
            parts.append(rest)
        inside = inside | {(key, arm, sign)}
    return parts


def together(guards: Iterable[Guard]) -> Guard | None:
    """The conjunction, or None if it cannot hold."""
    total = ALWAYS
    for guard in guards:
        if contradicts(total, guard):
            return None
        total |= guard
    return total
