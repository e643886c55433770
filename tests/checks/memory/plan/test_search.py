"""The search for the largest number that fits finds it, in few looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qvl_checks.memory.plan.search import Look, largest

GIB = 2**30


class Card:
    """A card on which ``memory(count)`` bytes are needed; counts how often it is looked at."""

    def __init__(self, memory: Callable[[int], int], room: int, waste: int = 0) -> None:
        self.memory, self.room, self.waste = memory, room, waste
        self.seen: list[int] = []

    def look(self, count: int) -> Look:
        self.seen.append(count)
        need = self.memory(count)
        # What a fragmented allocator wastes does not show in the peak of tensors.
        return Look(need + self.waste <= self.room, self.room - need)

    def answer(self, low: int, high: int) -> int | None:
        fitting = [n for n in range(low, high + 1) if self.memory(n) + self.waste <= self.room]
        return max(fitting, default=None)


@given(
    st.integers(0, 40) | st.integers(0, 4000),
    st.integers(0, 5),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 200),
    st.integers(1, 10**6),
    st.integers(0, 10**5),
)
def test_it_finds_the_largest(
    base: int, slope: int, power: int, high: int, room: int, waste: int
) -> None:
    card = Card(lambda count: base + slope * count**power, room, waste)
    assert largest(card.look, 1, high) == card.answer(1, high)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(0, 30_000))
def test_uneven_growth_changes_nothing(steps: list[int], room: int) -> None:
    sums = [sum(steps[: count + 1]) for count in range(len(steps))]
    card = Card(lambda count: sums[count - 1], room)
    assert largest(card.look, 1, len(sums)) == card.answer(1, len(sums))


@pytest.mark.parametrize(("each", "power"), [(500_000, 1), (1000, 2), (1000, 4)])
def test_few_looks_are_enough(each: int, power: int) -> None:
    card = Card(lambda count: 5 * GIB + each * count**power, 24 * GIB)
    found = largest(card.look, 1, 100_000)
    assert found is not None and card.look(found).fits and not card.look(found + 1).fits
    assert len(card.seen) <= 30


def test_where_memory_grows_with_the_square_the_power_looks_less_far() -> None:
    def farthest(power: int) -> float:
        card = Card(lambda side: 5 * GIB + 60_000 * side**2, 24 * GIB)
        found = largest(card.look, 4, 2000, begin=32, growth=2, power=power)
        assert found is not None and found == card.answer(4, 2000)
        return max(card.seen) / found

    assert farthest(2) < 1.05 < farthest(1)


def test_with_slack_the_answer_is_nearly_the_largest() -> None:
    card = Card(lambda count: 5 * GIB + 20_000 * count, 24 * GIB, waste=GIB // 3)
    exact = card.answer(1, 2_000_000)
    assert exact is not None
    found = largest(card.look, 1, 2_000_000, slack=1 / 32)
    assert found is not None and exact / 1.04 <= found <= exact
    assert len(card.seen) < 20


def test_nothing_fits() -> None:
    assert largest(Card(lambda count: 2, 1).look, 1, 5) is None


def test_one_candidate() -> None:
    assert largest(Card(lambda count: 1, 1).look, 3, 3) == 3
