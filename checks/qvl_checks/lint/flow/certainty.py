"""How sure it is that something holds, over all combinations of what some values may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

from .guards import Guard, together
from .values import ABSENT, Alt, Value, on_path

NEVER, SOMETIMES, CERTAIN = 0, 1, 2


def judge(path: Guard, values: Iterable[Value], bad: Callable[..., bool]) -> tuple[int, Alt | None]:
    """How often `bad` holds over all possible combinations of the alternatives.

    Returns (NEVER | SOMETIMES | CERTAIN, the alternative of the first value in the first bad
    combination). Every round of a loop happens, so what always holds in one of them is certain.
    """
    hits: Alt | None = None
    bad_count = total = 0
    rounds: dict[Guard, bool] = {}
    pools = [on_path(value, path) or ABSENT for value in values]
    size = 1
    for pool in pools:
        size *= len(pool)
    if size > 512:
        return NEVER, None
    for combination in product(*pools):
        guard = together((path, *(alt.guard for alt in combination)))
        if guard is None:
            continue
        total += 1
        always = bad(*(alt.item for alt in combination))
        loops = frozenset(
            part for part in guard if isinstance(part[0], tuple) and part[0][0] == "loop"
        )
        rounds[loops] = rounds.get(loops, True) and always
        if always:
            bad_count += 1
            hits = hits or combination[0]
    if not bad_count:
        return NEVER, None
    certain = bad_count == total or any(rounds.pop(loops) for loops in list(rounds) if loops)
    return (CERTAIN if certain else SOMETIMES), hits
