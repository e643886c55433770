"""Which cards a prediction is for."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.cards import ASSUMED_CONTEXT, SPARE
from qvl_checks.memory.forecast import KERNELS, gpus_of_machine, gpus_of_run

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
