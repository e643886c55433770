"""Limits and refusals, computed on cards that a stand-in for torch plays."""

from __future__ import annotations

import types
from typing import Any

import pytest

from qvl_checks.memory.cards import ASSUMED_CONTEXT, SPARE, Cards, Refused, visible_cards

MIB = 2**20
GIB = 2**30
CONTEXT = 500 * MIB
KERNELS = 64 * MIB
"""What loading kernels adds to the context."""


class FakeCuda:
    """One process on cards of 80 GiB; everything is bookkeeping."""

    def __init__(self, others: int, cards: int = 1) -> None:
        self.total = 80 * GIB
        self.others = others
        self.opened: dict[int, int] = dict.fromkeys(range(cards), 0)
        self.reserved: dict[int, int] = dict.fromkeys(range(cards), 0)
        self.fractions: dict[int, float] = {}
        self.memory = types.SimpleNamespace(mem_get_info=self.mem_get_info)

    def open(self, index: int) -> None:
        if not self.opened[index]:
            self.opened[index] = CONTEXT
            self.reserved[index] = 2 * MIB

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        index = device if isinstance(device, int) else 0
        taken = self.others + self.opened[index] + self.reserved[index]
        return self.total - taken, self.total

    def memory_reserved(self, index: int) -> int:
        return self.reserved[index]

    def memory_allocated(self, index: int) -> int:
        return self.reserved[index] // 2

    def max_memory_allocated(self, index: int) -> int:
        return self.reserved[index] // 2

    def max_memory_reserved(self, index: int) -> int:
        return self.reserved[index]

    def set_per_process_memory_fraction(self, fraction: float, index: int) -> None:
        self.fractions[index] = fraction

    def get_device_properties(self, index: int) -> Any:
        return types.SimpleNamespace(name="NVIDIA H100", major=9, minor=0)

    def current_device(self) -> int:
        return 0

    def reset_peak_memory_stats(self, index: int) -> None: ...
    def empty_cache(self) -> None: ...


class FakeCards(Cards):
    """Real bookkeeping; only the kernels are played."""

    def _load_kernels(self, index: int) -> None:
        self._cuda.opened[index] += KERNELS


def fake_torch(cuda: FakeCuda) -> Any:
    def ones(size: int, device: str) -> None:
        cuda.open(int(device.partition(":")[2]))

    def device(name: str) -> Any:
        kind, _, index = str(name).partition(":")
        return types.SimpleNamespace(type=kind, index=int(index) if index else None)

    return types.SimpleNamespace(cuda=cuda, ones=ones, device=device)


def cards(
    others: int = 0, *, cap: int | None = None, context: int | None = CONTEXT, count: int = 1
) -> tuple[FakeCards, FakeCuda]:
    cuda = FakeCuda(others, count)
    return FakeCards(fake_torch(cuda), range(count), cap=cap, context=context), cuda


def test_an_empty_card_is_not_limited() -> None:
    free, cuda = cards()
    [row] = free.rows
    assert (row["limit_bytes"], row["others_bytes"]) == (None, 0)
    assert cuda.fractions == {}
    assert row["context_bytes"] == CONTEXT + KERNELS
    assert free.room() == row["free_bytes"]
    assert free.capacity() == 80 * GIB - CONTEXT - KERNELS


def test_the_context_counts_in_the_cap() -> None:
    capped, cuda = cards(cap=24 * GIB, count=2)
    for row in capped.rows:
        assert row["limit_bytes"] == 24 * GIB - CONTEXT - KERNELS
        assert cuda.fractions[row["index"]] * cuda.total == pytest.approx(row["limit_bytes"])
    assert capped.room() == capped.capacity() == 2 * (24 * GIB - CONTEXT - KERNELS)


def test_a_context_that_was_not_measured_is_assumed() -> None:
    capped, _ = cards(cap=24 * GIB, context=None)
    assert capped.rows[0]["limit_bytes"] == 24 * GIB - ASSUMED_CONTEXT
    assert capped.rows[0]["context_measured"] is False


def test_a_shared_card_keeps_something_for_the_others() -> None:
    shared, _ = cards(others=30 * GIB)
    [row] = shared.rows
    assert row["others_bytes"] == 30 * GIB
    assert row["limit_bytes"] == row["free_bytes"] + 2 * MIB - SPARE


def test_a_desktop_does_not_make_a_card_shared() -> None:
    assert cards(others=200 * MIB)[0].rows[0]["limit_bytes"] is None


@pytest.mark.parametrize(
    ("others", "cap", "kind", "words"),
    [
        (60 * GIB, 24 * GIB, "in_use", "other processes hold 60.00 GiB"),
        (0, 81 * GIB, "cap_too_large", "less than the cap of 81.00 GiB"),
        (0, 256 * MIB, "cap_too_small", "leaves nothing beside the CUDA context"),
        (80 * GIB - 700 * MIB, None, "in_use", "other processes hold"),
    ],
)
def test_refusals(others: int, cap: int | None, kind: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        cards(others=others, cap=cap)
    assert refusal.value.kind == kind


def test_placement_code_sees_the_smaller_card() -> None:
    capped, cuda = cards(cap=24 * GIB)
    capped.play_smaller()
    limit = 24 * GIB - CONTEXT - KERNELS
    assert cuda.mem_get_info(0) == (limit - 2 * MIB, 24 * GIB)
    assert cuda.mem_get_info("cuda:0") == cuda.mem_get_info(None) == cuda.mem_get_info(0)
    cuda.reserved[0] = 30 * GIB
    assert cuda.mem_get_info(0) == (0, 24 * GIB)


def test_an_unlimited_card_is_seen_as_it_is() -> None:
    free, cuda = cards()
    before = cuda.mem_get_info(0)
    free.play_smaller()
    assert cuda.mem_get_info(0) == before


def test_the_end_of_a_run() -> None:
    capped, cuda = cards(others=5 * GIB, cap=24 * GIB)
    capped.play_smaller()
    cuda.reserved[0] = 10 * GIB
    cuda.opened[0] += 100 * MIB  # more kernels
    assert capped.readings() == [
        {
            "index": 0,
            "allocated_bytes": 5 * GIB,
            "reserved_bytes": 10 * GIB,
            "free_bytes": 80 * GIB - 15 * GIB - CONTEXT - KERNELS - 100 * MIB,
        }
    ]
    capped.close()
    [row] = capped.rows
    assert row["peak_reserved_bytes"] == 10 * GIB
    assert row["context_after_bytes"] == CONTEXT + KERNELS + 100 * MIB


@pytest.mark.parametrize(
    ("built", "forked", "available", "reason"),
    [
        (False, False, False, "built without CUDA"),
        (True, True, True, "before this process was forked"),
        (True, False, False, "sees no CUDA device"),
    ],
)
def test_no_usable_cuda(built: bool, forked: bool, available: bool, reason: str) -> None:
    torch = types.SimpleNamespace(
        __version__="2.13.0",
        version=types.SimpleNamespace(hip=None),
        backends=types.SimpleNamespace(cuda=types.SimpleNamespace(is_built=lambda: built)),
        cuda=types.SimpleNamespace(
            _is_in_bad_fork=lambda: forked, is_available=lambda: available, device_count=lambda: 1
        ),
    )
    with pytest.raises(Refused, match=reason):
        visible_cards(torch)
