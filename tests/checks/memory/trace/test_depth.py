"""Which layers are traced, and how the full depth follows from them."""

from __future__ import annotations

from collections import Counter

from qvl_checks.memory.trace.depth import Stack, choose, extend, full_weights
from qvl_checks.memory.trace.ledger import KV_CACHE, TEXT, WEIGHTS, Ledger, Stretch

CARD = "cuda:0"
LAYER, SCRATCH = 512, 4096


def run(depth: int) -> list[Stretch]:
    """A prefill and a decode step of ``depth`` layers: each takes scratch and keeps its cache."""
    ledger = Ledger()
    for _ in range(depth):
        ledger.allocate(CARD, LAYER)
    ledger.kind = TEXT
    for phase, rise in (("text", SCRATCH), ("decode", 512)):
        for index in range(depth):
            ledger.begin(phase, "text", index)
            ledger.module = f"model.layers.{index}.mlp"
            number = ledger.allocate(CARD, 1024)
            ledger.rebook(number, KV_CACHE)
            ledger.scratch(CARD, rise)
        ledger.begin(phase)
        ledger.module = "lm_head"
        ledger.scratch(CARD, 10 * SCRATCH)
    ledger.close()
    return ledger.stretches


def peaks(stretches: list[Stretch]) -> list[tuple[str, int, str]]:
    """(phase, bytes, module) of every stretch, weights included."""
    return [
        (one.phase, sum(one.devices[CARD].peak.values()), one.devices[CARD].module)
        for one in stretches
        if one.devices
    ]


def test_equal_layers_are_kept_once_beside_the_first() -> None:
    assert choose(["full"] * 28) == Stack((0, 27), (0,) + (1,) * 27)


def test_what_precedes_a_layer_makes_it_another_kind() -> None:
    kinds = ["window", "window", "window", "full"] * 2
    stack = choose(kinds)
    assert stack.kept == (0, 4, 6, 7)
    for index, place in enumerate(stack.stands_in):
        kept = stack.kept[place]
        assert kinds[kept] == kinds[index]
        assert (kept == 0) == (index == 0)
        if index:
            assert kinds[kept - 1] == kinds[index - 1]


def test_the_extended_run_is_the_full_one() -> None:
    stack = choose(["full"] * 9)
    extended = extend(run(len(stack.kept)), {"text": stack}, {CARD: 7 * LAYER})
    assert peaks(extended)[1:] == peaks(run(9))[1:]
    assert extended[-1].devices[CARD].end == run(9)[-1].devices[CARD].end


def test_weights_of_untraced_layers_are_those_of_the_layer_that_stands_for_them() -> None:
    sizes = {"model.embed": 100, "model.layers.0.w": 7, "model.layers.1.w": 11}
    assert full_weights(sizes, {"text": choose(["full"] * 5)}) == 100 + 7 + 4 * 11


def test_missing_weights_are_alive_from_the_start() -> None:
    stretches = run(2)
    extended = extend(stretches, {"text": choose(["full"] * 2)}, {CARD: 512})
    kinds: Counter[str] = extended[1].devices[CARD].peak
    assert kinds[WEIGHTS] == 2 * LAYER + 512
