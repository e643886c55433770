"""Which cards a prediction is for, and the search for the largest that fits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qvl_checks.memory.candidates_probe import scaled
from qvl_checks.memory.cards import ASSUMED_CONTEXT, SPARE
from qvl_checks.memory.forecast import KERNELS, gpus_of_machine, gpus_of_run, largest

GIB = 2**30


def machine(free: int, cap: int | None, context: int | None = None) -> int:
    facts = {
        "context_bytes": context,
        "devices": [
            {
                "index": 0,
                "name": "H100",
                "capability": [9, 0],
                "total_bytes": 80 * GIB,
                "free_bytes": free,
            }
        ],
    }
    [gpu] = gpus_of_machine(facts, {"cap_bytes": cap})
    assert gpu["context_bytes"] == (context or ASSUMED_CONTEXT) + KERNELS
    return int(gpu["usable_bytes"]) + KERNELS


def test_a_cap_counts_the_context() -> None:
    assert machine(79 * GIB, 24 * GIB, GIB) == 23 * GIB


def test_a_cap_gives_no_more_than_is_free() -> None:
    assert machine(10 * GIB, 24 * GIB, GIB) == 10 * GIB


def test_a_cap_below_the_context_leaves_nothing() -> None:
    assert machine(79 * GIB, GIB // 4, GIB) == KERNELS


def test_an_idle_card_gives_all_and_a_shared_one_keeps_some() -> None:
    idle = 80 * GIB - ASSUMED_CONTEXT
    assert machine(idle, None) == idle
    assert machine(40 * GIB, None) == 40 * GIB - SPARE


def test_a_device_that_does_not_tell_is_left_out() -> None:
    facts = {"devices": [{"index": 0, "total_bytes": None, "free_bytes": None}]}
    assert gpus_of_machine(facts, {"cap_bytes": None}) == []
    assert gpus_of_machine({}, {"cap_bytes": None}) == []


def test_the_cards_of_a_run_keep_its_limits() -> None:
    card: dict[str, Any] = {
        "index": 1,
        "name": "H100",
        "capability": [9, 0],
        "total_bytes": 80 * GIB,
        "context_bytes": GIB,
        "free_bytes": 70 * GIB,
        "limit_bytes": None,
    }
    assert gpus_of_run([card])[0]["usable_bytes"] == 70 * GIB
    assert gpus_of_run([{**card, "limit_bytes": 23 * GIB}])[0]["usable_bytes"] == 23 * GIB


@given(
    st.integers(0, 4000),
    st.integers(0, 4000),
    st.integers(-10, 4010),
    st.none() | st.integers(-10, 4010),
)
def test_the_largest_is_found_in_few_steps(
    low: int, high: int, limit: int, guess: int | None
) -> None:
    asked: list[int] = []

    def fits(number: int) -> bool:
        assert low <= number <= high
        asked.append(number)
        return number <= limit

    expected = None if low > high or limit < low else min(limit, high)
    assert largest(fits, low, high, guess=guess) == expected
    assert len(asked) == len(set(asked)) <= (13 if guess is None else 24)


def test_a_right_guess_is_confirmed_by_one_step_further() -> None:
    asked: list[int] = []

    def fits(number: int) -> bool:
        asked.append(number)
        return number <= 39

    assert largest(fits, 8, 128, guess=39) == 39
    assert asked == [39, 40]


@given(st.integers(64, 4000), st.none() | st.integers(64, 4000))
def test_a_near_one_is_enough_when_asked_for(limit: int, guess: int | None) -> None:
    found = largest(lambda number: number <= limit, 64, 16384, guess=guess, accuracy=0.02)
    assert found is not None
    assert limit / 1.03 - 1 <= found <= limit


def device(shape: tuple[int, ...], used: int, room: int) -> dict[str, Any]:
    return {
        "weights_bytes": 15 * GIB,
        "usable_bytes": 15 * GIB + room,
        "peak_allocated_bytes": 15 * GIB + used,
        "largest_tensor": {"shape": shape},
    }


def test_a_guess_follows_how_the_largest_tensor_grows() -> None:
    square, flat = (1, 16, 4000, 4000), (4000, 18944)
    assert scaled(1000, [device(square, 4 * GIB, GIB)]) == 500
    assert scaled(1000, [device(flat, 4 * GIB, GIB)]) == 250
    assert scaled(1000, [device(flat, 4 * GIB, GIB), device(flat, 5 * GIB, GIB)]) == 200
    assert scaled(1000, [device(flat, 4 * GIB, -GIB)]) == 1
