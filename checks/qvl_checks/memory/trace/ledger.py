"""What a traced run allocates and frees, in order, under names. No torch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

ROUNDING = 512
"""Bytes; the caching allocator hands out multiples of it (``kMinBlockSize``)."""
WEIGHTS, INPUTS, KV_CACHE, LOGITS = "weights", "inputs", "kv_cache", "logits"
VISION, TEXT, DECODE = "vision", "text", "decode"
ALL_SHOWN = 4
"""How many equal steps leave all their events; later ones mostly leave their rise alone."""
SHOWN_AGAIN = 16
"""Every how many-th of the later ones does leave them."""

Event = tuple[int, int, int, int]
"""(device, block, bytes, module): places in `Ledger.devices` and `Ledger.modules`; bytes as asked
for, negative when the block is freed. Block 0: the allocated bytes rose so far and fell again.
Block -1: the allocator's cache is emptied. Blocks from `HELD` down: taken by whoever came first and
never freed."""
RISE, EMPTIED, HELD = 0, -1, -(2**40)


def rounded(size: int) -> int:
    """Bytes that a tensor of ``size`` bytes takes."""
    return (size + ROUNDING - 1) // ROUNDING * ROUNDING


@dataclasses.dataclass
class Stretch:
    """A part of the run: one layer of a stack, or whatever lies between."""

    phase: str
    stack: str = ""
    """The name of the repeated layers that this stretch is one of; empty: of none."""
    index: int = 0
    """Which of them, in the order in which they run."""
    turn: int = 0
    """Which pass of the model: 0 before the first, 1 the prefill, then one per new token."""
    events: list[Event] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Largest:
    """The largest single tensor that the run itself asked for."""

    size: int
    shape: tuple[int, ...]
    dtype: str


class Measure:
    """What a step did to one device: how far the bytes rose, which blocks came and went."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.rise = 0
        self.passing: list[Event] = []
        self.left = 0, 0
        """The block that stays: its number and size."""
        self._stretch = -1
        self._calls = 0

    def shown(self, stretch: int) -> bool:
        """Whether the next equal step, in this stretch, is to leave all of its events."""
        if stretch != self._stretch:
            self._stretch, self._calls = stretch, 0
        self._calls += 1
        return self._calls <= ALL_SHOWN or self._calls % SHOWN_AGAIN == 0

    def look(self, total: int) -> None:
        """A new total."""
        self.rise = max(self.rise, total - self.start)


class Ledger:
    """Books every allocation under a kind; `begin` closes one stretch and opens the next."""

    def __init__(self) -> None:
        self.devices: list[str] = []
        self.modules: list[str] = [""]
        self.stretches: list[Stretch] = [Stretch(phase=TEXT)]
        self.kinds: dict[int, str] = {}
        """Of every block that ever was, the last one it was booked under."""
        self.largest: dict[str, Largest] = {}
        self.kind = INPUTS
        """Under which new blocks are booked."""
        self._module = 0
        self._places: dict[str, int] = {}
        self._names: dict[str, int] = {"": 0}
        self._alive: dict[int, tuple[int, int]] = {}
        self._totals: Counter[int] = Counter()
        self._serial = RISE
        self._held = HELD
        self._measures: list[tuple[int, Measure]] = []

    @property
    def module(self) -> str:
        """What is executing."""
        return self.modules[self._module]

    @module.setter
    def module(self, name: str) -> None:
        if name not in self._names:
            self._names[name] = len(self.modules)
            self.modules.append(name)
        self._module = self._names[name]

    def place(self, device: str) -> int:
        """The number by which events name a device."""
        if device not in self._places:
            self._places[device] = len(self.devices)
            self.devices.append(device)
        return self._places[device]

    def begin(self, phase: str, stack: str = "", index: int = 0, turn: int = 0) -> None:
        """From here on, events belong to a new stretch."""
        self.stretches.append(Stretch(phase, stack, index, turn))

    def allocate(self, device: str, size: int, shape: Any = (), dtype: str = "") -> int:
        """Book a storage of ``size`` bytes; returns its number, by which it is freed."""
        number = self._new(self.place(device), size)
        known = self.largest.get(device)
        if known is None or rounded(size) > known.size:
            self.largest[device] = Largest(rounded(size), tuple(shape), dtype)
        return number

    def free(self, number: int) -> None:
        """The storage is gone."""
        place, size = self._alive.pop(number)
        self._totals[place] -= rounded(size)
        if size:
            self._note(place, number, -size)

    def rebook(self, number: int, kind: str) -> None:
        """It turned out to be of another kind."""
        self.kinds[number] = kind

    def scratch(self, device: str, *sizes: int) -> None:
        """Memory that a kernel takes and gives back unseen, all of ``sizes`` at once."""
        place = self.place(device)
        for number in [self._new(place, size) for size in sizes]:
            self.free(number)

    def hold(self, device: str, size: int, kind: str) -> None:
        """Book memory that stays to the end, taken by whoever came first."""
        self._held -= 1
        self.kinds[self._held] = kind
        place = self.place(device)
        self._totals[place] += rounded(size)
        if size:
            self._note(place, self._held, size)

    def empty_cache(self, device: str) -> None:
        """Free segments of the device are given back."""
        self._note(self.place(device), EMPTIED, 0)

    def again(self, device: str, measure: Measure) -> int:
        """A step equal to a measured one: its rise, its passing blocks and the one that it leaves,
        whose number is returned.

        Of very many steps most leave their rise alone: what the allocator does for one of them it
        does for the next.
        """
        place = self.place(device)
        if not measure.shown(len(self.stretches)):
            self._look(place, measure.rise)
            self._note(place, RISE, measure.rise)
            return self._new(place, measure.left[1])
        fresh: dict[int, int] = {}
        for _, number, size, _ in measure.passing:
            if size > 0:
                fresh[number] = self._new(place, size)
            else:
                self.free(fresh.pop(number))
        return fresh[measure.left[0]]

    @contextlib.contextmanager
    def measured(self, device: str) -> Iterator[Measure]:
        """Measure what the block does to a device, where it leaves one storage at most; no new
        stretch may begin within."""
        place = self.place(device)
        measure = Measure(self._totals[place])
        measure.shown(len(self.stretches))
        events = self.stretches[-1].events
        first = len(events)
        self._measures.append((place, measure))
        try:
            yield measure
        finally:
            self._measures.pop()
        inside = [event for event in events[first:] if event[0] == place and event[1] > RISE]
        born = {number: size for _, number, size, _ in inside if size > 0}
        gone = {number for _, number, size, _ in inside if size < 0}
        lasting = [number for number in born if number not in gone]
        if lasting:
            measure.left = lasting[-1], born[lasting[-1]]
        kept = {*gone, measure.left[0]}
        measure.passing = [event for event in inside if event[1] in born and event[1] in kept]

    def total(self, device: str) -> int:
        """Bytes alive on the device."""
        return self._totals[self.place(device)]

    def _new(self, place: int, size: int) -> int:
        self._serial += 1
        self._alive[self._serial] = place, size
        self.kinds[self._serial] = self.kind
        self._totals[place] += rounded(size)
        if size:
            self._note(place, self._serial, size)
        self._look(place, 0)
        return self._serial

    def _note(self, place: int, number: int, size: int) -> None:
        self.stretches[-1].events.append((place, number, size, self._module))

    def _look(self, place: int, extra: int) -> None:
        for measured, measure in self._measures:
            if measured == place:
                measure.look(self._totals[place] + extra)
