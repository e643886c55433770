"""Bookkeeping: kinds, peaks of stretches, scratch, repeated steps."""

from __future__ import annotations

from qvl_checks.memory.trace.allocator import replay
from qvl_checks.memory.trace.ledger import INPUTS, TEXT, VISION, WEIGHTS, Ledger, worst

CARD = "cuda:0"
KIB = 1024


def booked() -> Ledger:
    ledger = Ledger()
    ledger.allocate(CARD, 10 * KIB)
    ledger.kind = INPUTS
    ledger.allocate(CARD, 2 * KIB)
    return ledger


def test_the_peak_of_a_stretch_says_what_was_alive() -> None:
    ledger = booked()
    ledger.begin(VISION)
    ledger.kind, ledger.module = VISION, "visual.blocks.0"
    number = ledger.allocate(CARD, 4 * KIB, (4, KIB), "uint8")
    ledger.free(number)
    ledger.begin(TEXT)
    ledger.close()
    top = worst(ledger.stretches, CARD)
    assert top is not None
    usage = top.devices[CARD]
    assert (top.phase, usage.module) == (VISION, "visual.blocks.0")
    assert usage.peak == {WEIGHTS: 10 * KIB, INPUTS: 2 * KIB, VISION: 4 * KIB}
    assert sum(usage.end.values()) == 12 * KIB
    assert ledger.largest[CARD].shape == (4, KIB)


def test_weights_are_not_the_largest_tensor_of_a_run() -> None:
    ledger = Ledger()
    ledger.allocate(CARD, 10 * KIB)
    assert ledger.largest == {}


def test_scratch_raises_the_peak_and_leaves_nothing() -> None:
    ledger = booked()
    ledger.kind = TEXT
    ledger.begin(TEXT)
    ledger.scratch(CARD, 1, 513)
    top = worst(ledger.stretches, CARD, TEXT)
    assert top is not None
    assert top.devices[CARD].peak[TEXT] == 512 + 1024
    assert ledger.total(CARD) == 12 * KIB
    assert replay(ledger.events, CARD).allocated == 12 * KIB


def test_a_block_can_turn_out_to_be_of_another_kind() -> None:
    ledger = Ledger()
    ledger.kind = TEXT
    number = ledger.allocate(CARD, 512)
    ledger.rebook(number, "kv_cache")
    assert ledger.live[CARD] == {TEXT: 0, "kv_cache": 512}
    ledger.free(number)
    assert ledger.live[CARD]["kv_cache"] == 0


def test_a_repeated_step_rises_as_far_and_leaves_the_same_events() -> None:
    ledger = booked()
    ledger.kind = TEXT
    with ledger.measured(CARD) as measure:
        passing = ledger.allocate(CARD, 8 * KIB)
        ledger.allocate(CARD, KIB)
        ledger.free(passing)
    before = len(ledger.events)
    ledger.begin(TEXT)
    ledger.again(CARD, measure)
    top = worst(ledger.stretches[-1:], CARD)
    assert top is not None
    assert measure.rise == 9 * KIB
    assert sum(top.devices[CARD].peak.values()) == 12 * KIB + KIB + 9 * KIB
    sizes = [size for _, _, size in ledger.events[before:]]
    assert sizes == [8 * KIB, -8 * KIB]
    assert replay(ledger.events, CARD).allocated == ledger.total(CARD)
