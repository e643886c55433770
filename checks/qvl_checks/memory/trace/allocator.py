"""Torch's caching allocator in numbers: what it reserves for a sequence of allocations.

The rules of c10/cuda/CUDACachingAllocator.cpp (torch 2.1 to 2.13), one stream: sizes are rounded to
512 B; up to 1 MiB come from 2 MiB segments of a pool of their own; up to 10 MiB from 20 MiB
segments; larger ones get segments rounded up to 2 MiB. The smallest free block that fits is
taken (lowest address first), and split if what remains is worth it: at least 512 B in the small
pool, more than 1 MiB in the large one. Freed blocks merge with free neighbours of their segment. A
segment that is free altogether is given back only when the device is full. With expandable segments
each pool is one segment that grows by whole pages (2 MiB, or 20 MiB in the large pool); the free
block at its end counts as endless, so smaller holes are filled first.
"""

from __future__ import annotations

import bisect
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

    def __init__(self, wanted: int, reserved: int, allocated: int, capacity: int) -> None:
        super().__init__(f"{wanted} bytes are wanted, {reserved} of {capacity} bytes are reserved")
        self.wanted = wanted
        self.reserved = reserved
        self.allocated = allocated


class Segment:
    """A stretch of device memory."""

    __slots__ = ("number", "size", "small")

    def __init__(self, number: int, size: int, small: bool) -> None:
        self.number = number
        self.size = size
        self.small = small


class Block:
    """A part of a segment, linked with its neighbours."""

    __slots__ = ("after", "before", "free", "offset", "segment", "size")

    def __init__(self, segment: Segment, offset: int, size: int) -> None:
        self.segment = segment
        self.offset = offset
        self.size = size
        self.free = False
        self.before: Optional[Block] = None
        self.after: Optional[Block] = None


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
        self._tails: dict[bool, Block] = {}
        """With expandable segments: the last block of each pool's segment."""
        self._free: dict[bool, list[tuple[int, int, int, Block]]] = {True: [], False: []}
        """By pool: (length, segment, offset, block) of the free blocks, sorted."""
        self._blocks: dict[int, Block] = {}
        self._serial = 0

    def allocate(self, key: int, size: int) -> None:
        """Take ``size`` bytes under a name by which they are freed.

        Raises:
            OutOfMemory: beyond the capacity, after giving back free segments.
        """
        size = (size + 511) // 512 * 512 or ROUNDING
        small = size <= SMALL_SIZE
        block = self._best_fit(size, small) or self._new_room(size, small)
        rest = block.size - size
        if rest >= ROUNDING if small or self._expandable else rest > SMALL_SIZE:
            self._split(block, size)
        self._blocks[key] = block
        self.allocated += block.size
        if self.allocated > self.peak_allocated:
            self.peak_allocated = self.allocated

    def release(self, key: int) -> None:
        """Free what was taken under this name."""
        block = self._blocks.pop(key)
        self.allocated -= block.size
        after, before = block.after, block.before
        if after is not None and after.free:
            self._take_out(after)
            self._join(block, after)
        if before is not None and before.free:
            self._take_out(before)
            self._join(before, block)
            block = before
        self._put_in(block)

    def empty_cache(self) -> None:
        """Give back every segment that is free altogether (of expandable ones, every free page)."""
        if self._expandable:
            for small in (True, False):
                for *_, block in list(self._free[small]):
                    self._unmap(block)
            return
        for small in (True, False):
            for *_, block in list(self._free[small]):
                if block.size == block.segment.size:
                    self._take_out(block)
                    del self._segments[block.segment.number]
                    self.reserved -= block.size

    def _best_fit(self, size: int, small: bool) -> Optional[Block]:
        blocks = self._free[small]
        place = bisect.bisect_left(blocks, (size, -1, -1))
        if place == len(blocks):
            return None
        if self._expandable and place + 1 < len(blocks) and blocks[place][3].after is None:
            place += 1
        block = blocks.pop(place)[3]
        block.free = False
        return block

    def _new_room(self, size: int, small: bool) -> Block:
        if self._expandable:
            return self._grown(size, small)
        length = segment_size(size)
        self._reserve(length, size)
        return self._first_block(length, small)

    def _first_block(self, length: int, small: bool) -> Block:
        self._serial += 1
        segment = Segment(self._serial, length, small)
        self._segments[segment.number] = segment
        return Block(segment, 0, length)

    def _grown(self, size: int, small: bool) -> Block:
        """Append pages to the pool's one segment, using the free block at its end."""
        page = SMALL_SEGMENT if small else LARGE_SEGMENT
        self._reserve(_rounded(size - self._free_end(small), page), size)
        # Giving memory back may have shortened this very segment: nothing is appended twice.
        more = _rounded(size - self._free_end(small), page)
        tail = self._tails.get(small)
        if tail is None:
            tail = self._first_block(0, small)
        elif tail.free:
            self._take_out(tail)
        elif more:
            new = Block(tail.segment, tail.segment.size, 0)
            new.before, tail.after = tail, new
            tail = new
        tail.size += more
        tail.segment.size += more
        self._tails[small] = tail
        return tail

    def _free_end(self, small: bool) -> int:
        tail = self._tails.get(small)
        return tail.size if tail is not None and tail.free else 0

    def _reserve(self, length: int, wanted: int) -> None:
        if self.capacity is not None and self.reserved + length > self.capacity:
            before = self.reserved
            self.empty_cache()
            if self.reserved + length > self.capacity:
                raise OutOfMemory(wanted, before, self.allocated, self.capacity)
        self.reserved += length
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def _unmap(self, block: Block) -> None:
        """Give back the whole pages of a free block of an expandable segment.

        At the segment's end it becomes shorter; within, the pages leave a hole that is never used
        again: addresses are plentiful.
        """
        page = SMALL_SEGMENT if block.segment.small else LARGE_SEGMENT
        start = _rounded(block.offset, page)
        end = (block.offset + block.size) // page * page
        if end <= start:
            return
        self._take_out(block)
        self.reserved -= end - start
        if block.after is None:
            self._shorten(block, end - start)
            return
        if end < block.offset + block.size:
            self._split(block, end - block.offset)
        if block.offset < start:
            hole = self._split(block, start - block.offset)
            self._take_out(hole)
            self._put_in(block)

    def _shorten(self, tail: Block, length: int) -> None:
        """Let an expandable segment end that much earlier, within its last block."""
        small = tail.segment.small
        tail.segment.size -= length
        tail.size -= length
        if tail.size:
            self._put_in(tail)
        elif tail.before is not None:
            tail.before.after = None
            self._tails[small] = tail.before
        else:
            del self._tails[small]

    def _split(self, block: Block, size: int) -> Block:
        """Cut a block after ``size`` bytes; the rest is free."""
        rest = Block(block.segment, block.offset + size, block.size - size)
        block.size = size
        rest.before, rest.after = block, block.after
        if rest.after is not None:
            rest.after.before = rest
        elif self._expandable:
            self._tails[block.segment.small] = rest
        block.after = rest
        self._put_in(rest)
        return rest

    def _join(self, block: Block, after: Block) -> None:
        block.size += after.size
        block.after = after.after
        if block.after is not None:
            block.after.before = block
        elif self._expandable:
            self._tails[block.segment.small] = block

    def _put_in(self, block: Block) -> None:
        block.free = True
        entry = (block.size, block.segment.number, block.offset, block)
        bisect.insort(self._free[block.segment.small], entry)

    def _take_out(self, block: Block) -> None:
        block.free = False
        blocks = self._free[block.segment.small]
        del blocks[bisect.bisect_left(blocks, (block.size, block.segment.number, block.offset))]


def segment_size(size: int) -> int:
    """Bytes that the allocator asks the driver for, to serve a (rounded) size."""
    if size <= SMALL_SIZE:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT_FROM:
        return LARGE_SEGMENT
    return _rounded(size, SEGMENT_ROUNDING)


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit
