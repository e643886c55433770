"""Torch's caching allocator in numbers: what it reserves for a sequence of allocations.

The rules of c10/cuda/CUDACachingAllocator.cpp (torch 2.1 to 2.13), one stream: sizes are rounded to
512 B; up to 1 MiB come from 2 MiB segments of a pool of their own; up to 10 MiB from 20 MiB
segments; larger ones get segments rounded up to 2 MiB. The smallest free block that fits is
taken (lowest address first), and split if what remains is worth it: at least 512 B in the small
pool, more than 1 MiB in the large one. Freed blocks merge with free neighbours of their segment. A
segment that is free altogether is given back only when the device is full. With expandable segments
each pool is one segment that grows by whole pages (2 MiB, or 20 MiB in the large pool).
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterable
from typing import Optional

MIB = 2**20
ROUNDING = 512
SMALL_SIZE = MIB
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB
OWN_SEGMENT_FROM = 10 * MIB
SEGMENT_ROUNDING = 2 * MIB


class OutOfMemory(Exception):
    """The device cannot give another segment, even with every free one returned."""

    def __init__(self, wanted: int, reserved: int, capacity: int) -> None:
        super().__init__(f"{wanted} bytes are wanted, {reserved} of {capacity} bytes are reserved")
        self.wanted = wanted


@dataclasses.dataclass
class Segment:
    """A stretch of device memory; ``free`` maps offset to length of its free blocks."""

    number: int
    size: int
    small: bool
    free: dict[int, int] = dataclasses.field(default_factory=dict)


class Allocator:
    """One device. ``capacity``: the most that may be reserved (None: without limit)."""

    def __init__(self, capacity: Optional[int] = None, *, expandable: bool = False) -> None:
        self.capacity = capacity
        self.allocated = 0
        self.reserved = 0
        self.peak_allocated = 0
        self.peak_reserved = 0
        self._expandable = expandable
        self._segments: dict[int, Segment] = {}
        self._free: dict[bool, list[tuple[int, int, int]]] = {True: [], False: []}
        """By pool: (length, segment, offset) of the free blocks, sorted."""
        self._blocks: dict[int, tuple[Segment, int, int]] = {}
        self._serial = 0

    def allocate(self, key: int, size: int) -> None:
        """Take ``size`` bytes under a name by which they are freed.

        Raises:
            OutOfMemory: beyond the capacity, after giving back free segments.
        """
        size = _rounded(max(size, 1), ROUNDING)
        small = size <= SMALL_SIZE
        found = self._best_fit(size, small)
        if found is None:
            found = self._new_room(size, small)
        segment, offset = found
        length = self._remove_free(segment, offset)
        if self._worth_splitting(length - size, small):
            self._add_free(segment, offset + size, length - size)
            length = size
        self._blocks[key] = segment, offset, length
        self.allocated += length
        self.peak_allocated = max(self.peak_allocated, self.allocated)

    def release(self, key: int) -> None:
        """Free what was taken under this name."""
        segment, offset, length = self._blocks.pop(key)
        self.allocated -= length
        following = segment.free.get(offset + length)
        if following is not None:
            self._remove_free(segment, offset + length)
            length += following
        before = next((at for at, size in segment.free.items() if at + size == offset), None)
        if before is not None:
            length += self._remove_free(segment, before)
            offset = before
        self._add_free(segment, offset, length)

    def empty_cache(self) -> None:
        """Give back every segment that is free altogether (the free end of expandable ones)."""
        for segment in list(self._segments.values()):
            if self._expandable:
                self._shrink(segment)
            elif segment.free.get(0) == segment.size:
                self._remove_free(segment, 0)
                del self._segments[segment.number]
                self.reserved -= segment.size

    def _best_fit(self, size: int, small: bool) -> Optional[tuple[Segment, int]]:
        blocks = self._free[small]
        place = bisect.bisect_left(blocks, (size, -1, -1))
        if place == len(blocks):
            return None
        _, number, offset = blocks[place]
        return self._segments[number], offset

    def _new_room(self, size: int, small: bool) -> tuple[Segment, int]:
        if self._expandable:
            return self._grown(size, small)
        length = segment_size(size)
        self._reserve(length, size)
        self._serial += 1
        segment = Segment(self._serial, length, small)
        self._segments[segment.number] = segment
        self._add_free(segment, 0, length)
        return segment, 0

    def _grown(self, size: int, small: bool) -> tuple[Segment, int]:
        """Append pages to the pool's one segment, using the free block at its end."""
        page = SMALL_SEGMENT if small else LARGE_SEGMENT
        segment = next((one for one in self._segments.values() if one.small == small), None)
        if segment is None:
            self._serial += 1
            segment = Segment(self._serial, 0, small)
            self._segments[segment.number] = segment
        tail = _tail(segment)
        more = _rounded(size - (segment.size - tail), page)
        self._reserve(more, size)
        # Giving memory back may have shortened this very segment.
        tail = _tail(segment)
        more = _rounded(size - (segment.size - tail), page)
        if tail < segment.size:
            self._remove_free(segment, tail)
        segment.size += more
        self._add_free(segment, tail, segment.size - tail)
        return segment, tail

    def _reserve(self, length: int, wanted: int) -> None:
        if self.capacity is not None and self.reserved + length > self.capacity:
            self.empty_cache()
            if self.reserved + length > self.capacity:
                raise OutOfMemory(wanted, self.reserved, self.capacity)
        self.reserved += length
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def _shrink(self, segment: Segment) -> None:
        page = SMALL_SEGMENT if segment.small else LARGE_SEGMENT
        tail = _rounded(_tail(segment), page)
        spare = segment.size - tail
        if spare <= 0:
            return
        start = _tail(segment)
        self._remove_free(segment, start)
        segment.size = tail
        if tail > start:
            self._add_free(segment, start, tail - start)
        self.reserved -= spare

    def _worth_splitting(self, rest: int, small: bool) -> bool:
        if small or self._expandable:
            return rest >= ROUNDING
        return rest > SMALL_SIZE

    def _add_free(self, segment: Segment, offset: int, length: int) -> None:
        segment.free[offset] = length
        bisect.insort(self._free[segment.small], (length, segment.number, offset))

    def _remove_free(self, segment: Segment, offset: int) -> int:
        length = segment.free.pop(offset)
        blocks = self._free[segment.small]
        del blocks[bisect.bisect_left(blocks, (length, segment.number, offset))]
        return length


def segment_size(size: int) -> int:
    """Bytes that the allocator asks the driver for, to serve a (rounded) size."""
    if size <= SMALL_SIZE:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT_FROM:
        return LARGE_SEGMENT
    return _rounded(size, SEGMENT_ROUNDING)


def replay(
    events: Iterable[tuple[str, int, int]],
    device: str,
    capacity: Optional[int] = None,
    *,
    expandable: bool = False,
) -> Allocator:
    """The allocator of ``device`` after a ledger's events ((device, block, bytes), bytes negative
    for a release).

    Raises:
        OutOfMemory: as on a card of this capacity.
    """
    allocator = Allocator(capacity, expandable=expandable)
    for where, key, size in events:
        if where != device:
            continue
        if size < 0:
            allocator.release(key)
        elif size > 0:
            allocator.allocate(key, size)
    return allocator


def _tail(segment: Segment) -> int:
    """Where the free block at the segment's end begins; its size if there is none."""
    for offset, length in segment.free.items():
        if offset + length == segment.size:
            return offset
    return segment.size


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit
