"""What is allocated on each device, by kind, and the peaks of every stretch of a run. No torch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any, Optional

ROUNDING = 512
"""Bytes; the caching allocator hands out multiples of it (``kMinBlockSize``)."""
WEIGHTS, INPUTS, KV_CACHE, LOGITS = "weights", "inputs", "kv_cache", "logits"
VISION, TEXT, DECODE = "vision", "text", "decode"


def rounded(size: int) -> int:
    """Bytes that a tensor of ``size`` bytes takes."""
    return (size + ROUNDING - 1) // ROUNDING * ROUNDING


@dataclasses.dataclass
class Usage:
    """One device during one stretch; every Counter maps a kind to bytes."""

    peak: Counter[str]
    end: Counter[str]
    module: str = ""
    """What was executing at the peak."""


@dataclasses.dataclass
class Stretch:
    """A part of the run: one layer of a stack, or whatever lies between."""

    phase: str
    stack: str = ""
    """The name of the repeated layers that this stretch is one of; empty: of none."""
    index: int = 0
    """Which of them, in the order in which they run."""
    devices: dict[str, Usage] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Block:
    """One live storage."""

    size: int
    device: str
    kind: str


@dataclasses.dataclass
class Largest:
    """The largest single tensor that the run itself asked for."""

    size: int
    shape: tuple[int, ...]
    dtype: str


class Measure:
    """How far the allocated bytes rise above where they were."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.rise = 0
        self.passing: list[tuple[str, int, int]] = []
        """Events of the blocks that came and went, for an equal step."""

    def look(self, total: int) -> None:
        """A new total."""
        self.rise = max(self.rise, total - self.start)


class Ledger:
    """Books every allocation under a kind; `begin` closes one stretch and opens the next."""

    def __init__(self) -> None:
        self.live: dict[str, Counter[str]] = {}
        self.stretches: list[Stretch] = []
        self.largest: dict[str, Largest] = {}
        self.events: list[tuple[str, int, int]] = []
        """(device, block, bytes), bytes negative when it is freed: for a replay."""
        self.kind = WEIGHTS
        """Under which new blocks are booked."""
        self.module = ""
        self._blocks: dict[int, Block] = {}
        self._totals: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()
        self._serial = 0
        self._measures: list[tuple[str, Measure]] = []
        self._stretch = Stretch(phase=TEXT)
        self.stretches.append(self._stretch)

    def begin(self, phase: str, stack: str = "", index: int = 0) -> None:
        """From here on, peaks belong to a new stretch."""
        self.close()
        self._stretch = Stretch(phase=phase, stack=stack, index=index)
        self.stretches.append(self._stretch)
        for device in self.live:
            self._open(device)

    def close(self) -> None:
        """Note what is alive at the end of the present stretch."""
        for device, kinds in self.live.items():
            self._usage(device).end = Counter(kinds)

    def allocate(self, device: str, size: int, shape: Any = (), dtype: str = "") -> int:
        """Book a storage of ``size`` bytes; returns its number, by which it is freed."""
        size = rounded(size)
        self._serial += 1
        self._blocks[self._serial] = Block(size, device, self.kind)
        self.live.setdefault(device, Counter())[self.kind] += size
        self._totals[device] += size
        self.events.append((device, self._serial, size))
        if self.kind != WEIGHTS:
            known = self.largest.get(device)
            if known is None or size > known.size:
                self.largest[device] = Largest(size, tuple(shape), dtype)
        self._look(device, 0)
        return self._serial

    def free(self, number: int) -> None:
        """The storage is gone."""
        block = self._blocks.pop(number)
        self.live[block.device][block.kind] -= block.size
        self._totals[block.device] -= block.size
        self.events.append((block.device, number, -block.size))

    def rebook(self, number: int, kind: str) -> None:
        """It turned out to be of another kind."""
        block = self._blocks[number]
        self.live[block.device][block.kind] -= block.size
        self.live[block.device][kind] += block.size
        block.kind = kind

    def scratch(self, device: str, *sizes: int) -> None:
        """Memory that a kernel takes and gives back unseen, all of ``sizes`` at once."""
        extra = sum(map(rounded, sizes))
        if not extra:
            return
        numbers = []
        for size in sizes:
            self._serial += 1
            numbers.append(self._serial)
            self.events.append((device, self._serial, rounded(size)))
        self._look(device, extra)
        self.events.extend((device, number, -rounded(size)) for number, size in zip(numbers, sizes))

    def again(self, device: str, measure: Measure) -> None:
        """The rise and the passing blocks of a step equal to a measured one."""
        self._look(device, measure.rise)
        fresh: dict[int, int] = {}
        for where, number, size in measure.passing:
            if number not in fresh:
                self._serial += 1
                fresh[number] = self._serial
            self.events.append((where, fresh[number], size))

    @contextlib.contextmanager
    def measured(self, device: str) -> Iterator[Measure]:
        """Measure the rise on a device during the block."""
        measure = Measure(self._totals[device])
        first = len(self.events)
        self._measures.append((device, measure))
        try:
            yield measure
        finally:
            self._measures.pop()
        inside = self.events[first:]
        born = {number for _, number, size in inside if size > 0}
        gone = {number for _, number, size in inside if size < 0}
        measure.passing = [event for event in inside if event[1] in born & gone]

    def total(self, device: str) -> int:
        """Bytes alive on the device."""
        return self._totals[device]

    def _look(self, device: str, extra: int) -> None:
        total = self._totals[device] + extra
        for measured, measure in self._measures:
            if measured == device:
                measure.look(total)
        if device in self._stretch.devices and total <= self._peaks[device]:
            return
        usage = self._usage(device)
        usage.peak = Counter(self.live.get(device, Counter()))
        usage.peak[self.kind] += extra
        usage.module = self.module
        self._peaks[device] = total

    def _usage(self, device: str) -> Usage:
        if device not in self._stretch.devices:
            self._open(device)
        return self._stretch.devices[device]

    def _open(self, device: str) -> None:
        kinds = self.live.get(device, Counter())
        self._stretch.devices[device] = Usage(Counter(kinds), Counter(kinds), self.module)
        self._peaks[device] = self._totals[device]


def worst(stretches: list[Stretch], device: str, phase: Optional[str] = None) -> Optional[Stretch]:
    """The stretch (of one phase, if given) with the device's highest peak."""
    found = [
        stretch
        for stretch in stretches
        if device in stretch.devices and phase in (None, stretch.phase)
    ]
    return max(found, key=lambda one: sum(one.devices[device].peak.values()), default=None)
