"""The caching allocator's documented rules, one by one."""

from __future__ import annotations

import random

import pytest

from qvl_checks.memory.trace.allocator import MIB, Allocator, OutOfMemory, segment_size

GIB = 2**30


def test_sizes_are_rounded_up_to_512_bytes() -> None:
    allocator = Allocator()
    allocator.allocate(1, 1)
    allocator.allocate(2, 513)
    assert allocator.allocated == 512 + 1024


@pytest.mark.parametrize(
    ("size", "reserved"),
    [
        (1, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (13_102_007_296, 6248 * 2 * MIB),
    ],
)
def test_segments_come_in_three_sizes(size: int, reserved: int) -> None:
    assert segment_size(size) == reserved
    allocator = Allocator()
    allocator.allocate(1, size)
    assert allocator.reserved == reserved


def test_small_tensors_share_a_segment_and_large_ones_never_enter_it() -> None:
    allocator = Allocator()
    for key in range(4):
        allocator.allocate(key, MIB // 2)
    assert allocator.reserved == 2 * MIB
    allocator.release(0)
    allocator.allocate(9, MIB + 512)
    assert allocator.reserved == 22 * MIB


def test_a_freed_block_is_reused_and_the_smallest_that_fits_is_taken() -> None:
    allocator = Allocator()
    allocator.allocate(1, 60 * MIB)
    allocator.allocate(2, 40 * MIB)
    allocator.release(1)
    allocator.release(2)
    allocator.allocate(3, 39 * MIB)
    allocator.allocate(4, 60 * MIB)
    assert allocator.reserved == 100 * MIB


def test_a_large_remainder_is_split_off_and_a_small_one_is_given_along() -> None:
    allocator = Allocator()
    allocator.allocate(1, 20 * MIB)
    allocator.release(1)
    allocator.allocate(2, 19 * MIB)
    assert allocator.allocated == 20 * MIB, "1 MiB is too little to be split off"
    allocator.release(2)
    allocator.allocate(3, 18 * MIB)
    assert allocator.allocated == 18 * MIB
    allocator.allocate(4, 2 * MIB)
    assert allocator.reserved == 20 * MIB


def test_neighbours_merge_when_they_are_free() -> None:
    allocator = Allocator()
    for key in range(4):
        allocator.allocate(key, 5 * MIB)
    assert allocator.reserved == 20 * MIB
    for key in (0, 2, 1, 3):
        allocator.release(key)
    allocator.allocate(9, 20 * MIB)
    assert allocator.reserved == 20 * MIB


def test_fragments_do_not_serve_a_larger_tensor() -> None:
    allocator = Allocator()
    allocator.allocate(1, 100 * MIB)
    allocator.release(1)
    allocator.allocate(2, 40 * MIB)
    allocator.allocate(3, 80 * MIB)
    assert allocator.reserved == 180 * MIB
    assert allocator.allocated == 120 * MIB


def test_a_full_device_takes_free_segments_back_before_it_fails() -> None:
    allocator = Allocator(100 * MIB)
    allocator.allocate(1, 60 * MIB)
    allocator.release(1)
    allocator.allocate(2, 80 * MIB)
    assert allocator.reserved == 80 * MIB
    assert allocator.peak_reserved == 80 * MIB
    with pytest.raises(OutOfMemory) as failure:
        allocator.allocate(3, 30 * MIB)
    assert failure.value.wanted == 30 * MIB


def test_a_segment_in_use_cannot_be_taken_back() -> None:
    allocator = Allocator(100 * MIB)
    allocator.allocate(1, 60 * MIB)
    allocator.release(1)
    allocator.allocate(2, 20 * MIB)
    with pytest.raises(OutOfMemory):
        allocator.allocate(3, 50 * MIB)


def test_expandable_segments_join_what_ordinary_ones_keep_apart() -> None:
    reserved = []
    for expandable in (False, True):
        allocator = Allocator(expandable=expandable)
        allocator.allocate(1, 30 * MIB)
        allocator.allocate(2, 30 * MIB)
        allocator.release(1)
        allocator.release(2)
        allocator.allocate(3, 60 * MIB)
        reserved.append(allocator.reserved)
    assert reserved == [120 * MIB, 60 * MIB]


def test_expandable_segments_grow_by_pages_and_use_their_free_end() -> None:
    allocator = Allocator(expandable=True)
    allocator.allocate(1, 25 * MIB)
    assert allocator.reserved == 40 * MIB
    allocator.allocate(2, 30 * MIB)
    assert allocator.reserved == 60 * MIB


def test_an_expandable_segment_fills_holes_before_its_free_end() -> None:
    allocator = Allocator(expandable=True)
    for key, size in enumerate((30, 30, 10)):
        allocator.allocate(key, size * MIB)
    allocator.release(0)
    # Free: 30 MiB in front, 10 MiB at the end.
    allocator.allocate(9, 10 * MIB)
    allocator.allocate(8, 20 * MIB)
    assert allocator.reserved == 80 * MIB


def test_a_full_device_takes_single_pages_back_from_expandable_segments() -> None:
    allocator = Allocator(100 * MIB, expandable=True)
    for key in range(4):
        allocator.allocate(key, 20 * MIB)
    allocator.release(1)
    allocator.release(2)
    allocator.allocate(9, 60 * MIB)
    assert allocator.reserved == 100 * MIB
    with pytest.raises(OutOfMemory) as failure:
        allocator.allocate(10, 20 * MIB)
    assert failure.value.allocated == 100 * MIB


@pytest.mark.parametrize("expandable", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_whatever_the_order(seed: int, expandable: bool) -> None:
    generator = random.Random(seed)
    allocator = Allocator(expandable=expandable)
    alive: dict[int, int] = {}
    for key in range(600):
        if alive and generator.random() < 0.5:
            gone = generator.choice(list(alive))
            del alive[gone]
            allocator.release(gone)
        else:
            alive[key] = int(2 ** generator.uniform(4, 27))
            allocator.allocate(key, alive[key])
        assert sum(alive.values()) <= allocator.allocated <= allocator.reserved
    for key in alive:
        allocator.release(key)
    assert allocator.allocated == 0
    allocator.empty_cache()
    assert allocator.reserved == 0
