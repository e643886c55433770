"""Which layers are traced, and how the run of full depth follows from them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from qvl_checks.memory.trace.account import Account
from qvl_checks.memory.trace.answer import AFTERWARDS, LongAnswer, steps_shown
from qvl_checks.memory.trace.depth import Stack, choose, full_names
from qvl_checks.memory.trace.ledger import KV_CACHE, TEXT, Ledger
from qvl_checks.memory.trace.lengthening import Lengthening
from qvl_checks.memory.trace.workspace import WORKSPACE

CARD = "cuda:0"


def run(kinds: Sequence[str], steps: int = 1, prompt: int = 3000) -> Ledger:
    """A prefill and decode steps of these layers: each frees what it was given, leaves its output,
    and keeps a cache that the next step replaces. The first layer of every kind takes memory that
    stays, and the first step does."""
    ledger = Ledger()
    caches: dict[int, int] = {}
    held: set[str] = set()
    embedded = ledger.allocate(CARD, 70_000)
    ledger.kind = TEXT
    for turn in range(1, steps + 2):
        length = prompt + turn - 1
        hidden = ledger.allocate(CARD, 5000)
        for index, kind in enumerate(kinds):
            ledger.begin("text" if turn == 1 else "decode", "text", index, turn)
            ledger.module = f"model.layers.{index}.mlp"
            ledger.scratch(CARD, 700_000 if kind == "wide" else 30_000, 1000)
            cache = ledger.allocate(CARD, 700 * length)
            ledger.rebook(cache, KV_CACHE)
            if index in caches:
                ledger.free(caches[index])
            caches[index] = cache
            new = ledger.allocate(CARD, 5000)
            for user in {kind, f"turn {min(turn, 2)}"} - held:
                ledger.hold(CARD, 20_000 + len(user), WORKSPACE)
                held.add(user)
            ledger.free(hidden)
            hidden = new
        ledger.begin("text" if turn == 1 else "decode", turn=turn)
        ledger.module = "lm_head"
        ledger.scratch(CARD, 90_000)
        ledger.free(hidden)
    ledger.begin(TEXT, turn=AFTERWARDS)
    for number in (embedded, *caches.values()):
        ledger.free(number)
    return ledger


def booked(kinds: Sequence[str], stack: Stack, steps: int = 1, all_steps: int = 1) -> Account:
    """The account of a run of which only the stack's kept layers are traced."""
    ledger = run([kinds[index] for index in stack.kept], steps)
    full = Lengthening(ledger.stretches, {"text": stack}, ledger.kinds, ledger.modules)
    answer = LongAnswer(full, all_steps)
    account = Account(0)
    account.follow(answer.stretches(), answer.kinds, answer.modules)
    return account


def described(account: Account) -> object:
    """Everything that an account says."""
    allocator = account.allocator
    return account.peaks, account.most, account.history, allocator.peak_reserved


def test_equal_layers_are_kept_once_beside_the_first() -> None:
    assert choose(["full"] * 28) == Stack((0, 27), (0,) + (1,) * 27, (0, 1))


@pytest.mark.parametrize("seed", range(20))
def test_every_traced_layer_follows_one_of_the_right_kind(seed: int) -> None:
    kinds = random.Random(seed).choices("abc", k=20)
    stack = choose(kinds)
    kept = [kinds[index] for index in stack.kept]
    assert (stack.kept[0], stack.kept[-1]) == (0, 19)
    for index, place in enumerate(stack.stands_in):
        assert kept[place] == kinds[index]
        assert (place == 0) == (index == 0)
        if index:
            assert kept[place - 1] == kinds[index - 1]


def test_windows_with_full_layers_between_take_five_layers() -> None:
    assert len(choose((["window"] * 7 + ["full"]) * 4).kept) == 5


@pytest.mark.parametrize(
    "kinds",
    [["full"] * 9, ["wide"] + ["full"] * 6, (["full"] * 3 + ["wide"]) * 3, list("abcabcab")],
    ids=["equal", "first", "periodic", "three"],
)
def test_the_lengthened_run_is_the_full_one(kinds: list[str]) -> None:
    reduced = booked(kinds, choose(kinds))
    full = booked(kinds, choose(range(len(kinds))))
    assert described(reduced) == described(full)
    assert reduced.allocator.allocated == reduced.most[WORKSPACE] > 20_000 * len(set(kinds))


def test_a_long_answer_follows_from_three_steps() -> None:
    kinds = ["full"] * 6
    short = booked(kinds, choose(kinds), steps=3, all_steps=9)
    long = booked(kinds, choose(range(6)), steps=9, all_steps=1)
    assert short.peaks == long.peaks
    assert short.most == long.most
    assert short.allocator.peak_reserved == long.allocator.peak_reserved
    assert short.allocator.allocated == short.most[WORKSPACE] > 3 * 20_000


def test_of_a_very_long_answer_some_steps_are_put_in_and_the_ends_are() -> None:
    shown = steps_shown(1000)
    assert shown[0] == 3
    assert shown[-1] == 999
    assert len(shown) == 12
    assert steps_shown(5) == [3, 4]


def test_a_traced_layers_name_stands_for_others() -> None:
    stacks = {"text": choose(["full"] * 4)}
    assert list(full_names("model.layers.1.w", stacks)) == [
        "model.layers.1.w",
        "model.layers.2.w",
        "model.layers.3.w",
    ]
    assert list(full_names("model.embed", stacks)) == ["model.embed"]
