"""One device's books for a run of full depth: what is alive when, and what torch would reserve."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from qvl_checks.memory.trace.allocator import Allocator, OutOfMemory
from qvl_checks.memory.trace.ledger import EMPTIED, RISE, Stretch, rounded

HISTORY_POINTS = 400
LOAD = "load"


@dataclasses.dataclass
class Peak:
    """The most that was allocated: how much, of which kinds, by which module."""

    total: int = -1
    kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    module: str = ""


@dataclasses.dataclass
class Failure:
    """The allocation that a device of the given capacity refuses."""

    requested: int
    reserved: int
    allocated: int
    phase: str
    module: str


class Account:
    """Follows the events of one device through `Allocator`; the attributes say what came of it."""

    def __init__(
        self,
        place: int,
        *,
        capacity: Optional[int] = None,
        expandable: bool = False,
    ) -> None:
        self.peaks: dict[str, Peak] = {}
        """By phase."""
        self.most: Counter[str] = Counter()
        """Of every kind, the most that was alive at once."""
        self._points: list[tuple[int, str, str]] = []
        self.reserved_by_weights = self._loaded = 0
        self.failure: Optional[Failure] = None
        self.allocator = Allocator(capacity, expandable=expandable)
        self._place = place
        self._alive: Counter[str] = Counter()
        self._sizes: dict[int, int] = {}
        self._serial = 0

    @property
    def history(self) -> list[tuple[int, str, str]]:
        """(bytes, phase, module) in order: the highest point and the end of every part of the run,
        of a long run only the highest points of equally many parts."""
        points = self._points
        step = -(-len(points) // HISTORY_POINTS) or 1
        parts = (points[start : start + step] for start in range(0, len(points), step))
        return [max(part) for part in parts]

    @property
    def top(self) -> tuple[str, Peak]:
        """The phase with the highest peak, and that peak."""
        idle = LOAD, Peak(self._loaded, Counter(self.most))
        return max([idle, *self.peaks.items()], key=lambda item: item[1].total)

    def load(self, sizes: Mapping[str, int], kind: str, *, in_one: bool = False) -> None:
        """Blocks that stay, by name: the weights.

        ``in_one``: room for all of them is reserved at once beforehand, as transformers does.
        """
        if self.failure is not None:
            return
        whole = {"": sum(sizes.values())} if in_one and sizes else {}
        try:
            for name, size in {**whole, **sizes}.items():
                self._serial -= 1
                self.allocator.allocate(self._serial, size)
                if name in sizes:
                    self._alive[kind] += rounded(size)
                else:
                    self.allocator.release(self._serial)
        except OutOfMemory as error:
            # The wish for everything at once is only a wish: single weights may still fit.
            if name in sizes:
                self.failure = _failure(error, LOAD, name)
            elif whole:
                self.load(sizes, kind)
        self.most[kind] = self._alive[kind]
        self._loaded = self.allocator.allocated
        self.reserved_by_weights = self.allocator.reserved

    def follow(
        self, stretches: Iterable[Stretch], kinds: Mapping[int, str], modules: Sequence[str]
    ) -> None:
        """Go through a run; it ends at the first allocation that fails."""
        for stretch in stretches:
            if self.failure is not None:
                return
            self._follow(stretch, kinds, modules)

    def _follow(self, stretch: Stretch, kinds: Mapping[int, str], modules: Sequence[str]) -> None:
        place, allocator, alive, most = self._place, self.allocator, self._alive, self.most
        sizes = self._sizes
        peak = self.peaks.setdefault(stretch.phase, Peak())
        highest, where, last, module = -1, 0, 0, 0
        try:
            for device, block, size, module in stretch.events:
                if device != place:
                    continue
                last = module
                if size < 0:
                    allocator.release(block)
                    alive[kinds[block]] -= sizes.pop(block)
                    continue
                if block == RISE:
                    total = allocator.allocated + size
                elif block == EMPTIED:
                    allocator.empty_cache()
                    continue
                else:
                    allocator.allocate(block, size)
                    kind = kinds[block]
                    sizes[block] = rounded(size)
                    alive[kind] += sizes[block]
                    if alive[kind] > most[kind]:
                        most[kind] = alive[kind]
                    total = allocator.allocated
                if total > highest:
                    highest, where = total, module
                if total > peak.total:
                    peak.total, peak.module, peak.kinds = total, modules[module], Counter(alive)
                    if block == RISE:
                        peak.kinds[stretch.phase] += size
        except OutOfMemory as error:
            self.failure = _failure(error, stretch.phase, modules[module])
        if highest >= 0:
            self._points.append((highest, stretch.phase, modules[where]))
            self._points.append((allocator.allocated, stretch.phase, modules[last]))


def _failure(error: OutOfMemory, phase: str, module: str) -> Failure:
    return Failure(error.wanted, error.reserved, error.allocated, phase, module)
