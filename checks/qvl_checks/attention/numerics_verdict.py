"""Whether an implementation is as good as float32 logits: by comparison on the same input."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from qvl_checks.attention.numerics_facts import Input, NumericsFacts, NumericsRow

FACTOR = 4.0
"""How many times the error of float32 logits it takes. Sound kernels lie within twice of it, in
bfloat16 0.16 to 0.24 % from float64 and in float16 an eighth of that."""
FLOOR = {"bfloat16": 2**-7, "float16": 2**-10}
"""Relative errors below this are rounding of the output, whatever float32 logits manage."""
ROW_FACTOR = 8.0
ROW_FLOOR = {"bfloat16": 2**-4, "float16": 2**-6}
"""The same for the worst token of a head: a kernel may be wrong in a few of its tiles only, which
the error of the whole output hides."""
ROUNDS_LOGITS = ("eager", "sdpa:math")
"""Known to keep the logits in the dtype: eager always, the math backend before torch 2.5."""
WRONG = 0.05
"""The error without an offset from which even these are broken, not merely coarse; eager in
bfloat16 measures 0.7 to 1.4 % there."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation in one tower and dtype."""

    implementation: str
    tower: str
    dtype: str
    inputs: int
    as_good: bool
    """As good as float32 logits on every input."""
    largest_error: float | None
    """None: not finite."""
    times: float | None
    """The largest ratio to the error of float32 logits on the same input."""
    first_offset: float | None
    """The smallest offset at which it is not as good."""


def as_good(given: Input, row: NumericsRow) -> bool:
    """Whether one result is what float32 logits give, up to rounding."""
    floor = given.float32_logits_error
    row_floor = given.float32_logits_worst_row
    if floor is None or row_floor is None:
        return True  # the input itself leaves the range: nothing to compare with
    if row.error is None or row.worst_row is None:
        return False
    return row.error <= max(FLOOR.get(given.dtype, 0.0), FACTOR * floor) and row.worst_row <= max(
        ROW_FLOOR.get(given.dtype, 0.0), ROW_FACTOR * row_floor
    )


def broken(given: Input, row: NumericsRow) -> bool:
    """Whether one result is worse than what this implementation is known to do."""
    if row.implementation not in ROUNDS_LOGITS:
        return not as_good(given, row)
    return given.offset == 0 and (row.error is None or row.error >= WRONG)


def summaries(facts: NumericsFacts) -> Iterator[Summary]:
    """One line per implementation, tower and dtype."""
    for name in facts.origins:
        groups: dict[tuple[str, str], list[tuple[Input, NumericsRow]]] = {}
        for given, row in facts.of(name):
            groups.setdefault((given.tower, given.dtype), []).append((given, row))
        for (tower, dtype), pairs in groups.items():
            worse = [given.offset for given, row in pairs if not as_good(given, row)]
            errors = [row.error for _, row in pairs]
            ratios = [
                row.error / given.float32_logits_error
                for given, row in pairs
                if row.error is not None and given.float32_logits_error
            ]
            yield Summary(
                implementation=name,
                tower=tower,
                dtype=dtype,
                inputs=len(pairs),
                as_good=not worse,
                largest_error=None
                if None in errors
                else max(error for error in errors if error is not None),
                times=round(max(ratios), 1) if ratios else None,
                first_offset=min(worse, default=None),
            )


def worst_broken(facts: NumericsFacts) -> dict[str, tuple[Input, NumericsRow]]:
    """Implementation -> the result that shows best that it is broken."""
    found: dict[str, tuple[Input, NumericsRow]] = {}
    for name in facts.origins:
        pairs = [(given, row) for given, row in facts.of(name) if broken(given, row)]
        if pairs:
            found[name] = max(pairs, key=lambda pair: _size(pair[1]))
    return found


def _size(row: NumericsRow) -> float:
    return float("inf") if row.error is None else row.error
