"""Bookkeeping: events, kinds, scratch, repeated steps; and the accounts made of it."""

from __future__ import annotations

from qvl_checks.memory.trace.account import Account
from qvl_checks.memory.trace.ledger import INPUTS, RISE, TEXT, VISION, WEIGHTS, Event, Ledger
from qvl_checks.memory.trace.workspace import WORKSPACE

CARD = "cuda:0"
KIB = 1024
MIB = 1024 * KIB


def events(ledger: Ledger) -> list[Event]:
    return [event for stretch in ledger.stretches for event in stretch.events]


def account(ledger: Ledger, capacity: int | None = None) -> Account:
    made = Account(0, capacity=capacity)
    made.load({"embed": 10 * KIB}, WEIGHTS)
    made.follow(ledger.stretches, ledger.kinds, ledger.modules)
    return made


def booked() -> Ledger:
    ledger = Ledger()
    ledger.allocate(CARD, 2 * KIB)
    return ledger


def test_the_peak_of_a_phase_says_what_was_alive() -> None:
    ledger = booked()
    ledger.begin(VISION)
    ledger.kind, ledger.module = VISION, "visual.blocks.0"
    number = ledger.allocate(CARD, 4 * KIB, (4, KIB), "uint8")
    ledger.free(number)
    ledger.begin(TEXT)
    made = account(ledger)
    phase, top = made.top
    assert (phase, top.module, top.total) == (VISION, "visual.blocks.0", 16 * KIB)
    assert top.kinds == {WEIGHTS: 10 * KIB, INPUTS: 2 * KIB, VISION: 4 * KIB}
    assert made.allocator.allocated == 12 * KIB
    assert ledger.largest[CARD].shape == (4, KIB)


def test_scratch_raises_the_peak_and_leaves_nothing() -> None:
    ledger = booked()
    ledger.kind = TEXT
    ledger.begin(TEXT)
    ledger.scratch(CARD, 1, 513)
    made = account(ledger)
    assert made.peaks[TEXT].kinds[TEXT] == 512 + 1024
    assert ledger.total(CARD) == 2 * KIB
    assert made.allocator.allocated == 12 * KIB


def test_a_block_can_turn_out_to_be_of_another_kind() -> None:
    ledger = Ledger()
    ledger.kind = TEXT
    number = ledger.allocate(CARD, 512)
    ledger.rebook(number, "kv_cache")
    ledger.free(number)
    assert account(ledger).most["kv_cache"] == 512


def test_a_repeated_step_leaves_the_same_events() -> None:
    ledger = booked()
    ledger.kind = TEXT
    with ledger.measured(CARD) as measure:
        passing = ledger.allocate(CARD, 8 * KIB)
        ledger.allocate(CARD, KIB)
        ledger.free(passing)
    before = len(events(ledger))
    ledger.begin(TEXT)
    left = ledger.again(CARD, measure)
    assert measure.rise == 9 * KIB
    assert [size for _, _, size, _ in events(ledger)[before:]] == [8 * KIB, KIB, -8 * KIB]
    ledger.free(left)
    assert ledger.total(CARD) == 3 * KIB


def test_of_many_repeated_steps_most_leave_their_rise_only() -> None:
    ledger = booked()
    with ledger.measured(CARD) as measure:
        passing = ledger.allocate(CARD, 8 * KIB)
        ledger.allocate(CARD, KIB)
        ledger.free(passing)
    ledger.begin(TEXT)
    for _ in range(100):
        ledger.again(CARD, measure)
    rises = [size for _, block, size, _ in events(ledger) if block == RISE]
    assert rises == [9 * KIB] * 90
    assert account(ledger).top[1].total == (12 + 101 + 8) * KIB


def test_held_memory_comes_where_it_was_first_wanted_and_stays() -> None:
    ledger = booked()
    ledger.begin(TEXT, "text", 0)
    ledger.module = "model.layers.0.self_attn.q_proj"
    output = ledger.allocate(CARD, 3 * MIB)
    ledger.hold(CARD, 2 * MIB, WORKSPACE)
    ledger.free(output)
    sizes = [size for _, _, size, _ in ledger.stretches[-1].events]
    assert sizes == [3 * MIB, 2 * MIB, -3 * MIB]
    assert ledger.total(CARD) == 2 * MIB + 2 * KIB
    made = account(ledger)
    assert made.most[WORKSPACE] == 2 * MIB
    assert made.top[1].module == "model.layers.0.self_attn.q_proj"


def test_a_device_that_is_too_small_says_what_failed() -> None:
    ledger = Ledger()
    ledger.begin(VISION)
    ledger.module = "visual.blocks.0"
    ledger.allocate(CARD, 30 * MIB)
    ledger.module = "visual.blocks.1"
    ledger.allocate(CARD, 30 * MIB)
    failure = account(ledger, 50 * MIB).failure
    assert failure is not None
    assert (failure.requested, failure.phase, failure.module) == (
        30 * MIB,
        VISION,
        "visual.blocks.1",
    )
    assert account(ledger, 62 * MIB).failure is None


def test_room_for_all_weights_at_once_is_one_segment() -> None:
    sizes = {f"layer.{index}": 11 * MIB for index in range(10)}
    at_once, one_by_one = Account(0), Account(0)
    at_once.load(sizes, WEIGHTS, in_one=True)
    one_by_one.load(sizes, WEIGHTS)
    assert at_once.allocator.reserved == 110 * MIB
    assert one_by_one.allocator.reserved == 120 * MIB
    assert at_once.most[WEIGHTS] == 110 * MIB


def test_weights_that_do_not_fit_at_once_may_fit_one_by_one() -> None:
    sizes = {f"layer.{index}": 3 * MIB for index in range(10)}
    assert _loaded(sizes, 40 * MIB).failure is None
    failure = _loaded(sizes, 20 * MIB).failure
    assert failure is not None
    assert (failure.phase, failure.module) == ("load", "layer.6")


def _loaded(sizes: dict[str, int], capacity: int) -> Account:
    made = Account(0, capacity=capacity)
    made.load(sizes, WEIGHTS, in_one=True)
    return made


def test_history_is_bounded_and_keeps_the_highest_point() -> None:
    ledger = Ledger()
    for index in range(3000):
        ledger.begin(TEXT)
        ledger.module = f"layers.{index}"
        ledger.scratch(CARD, KIB * (index if index != 1777 else 9000))
    history = account(ledger).history
    assert len(history) <= 400
    assert max(history)[2] == "layers.1777"
