"""A long answer from three traced decode steps: what grows from one to the next goes on growing.

The first and the second step show the growth, the second one is repeated, the third one, after
which nothing is prepared for another, stands for the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from qvl_checks.memory.trace.ledger import EMPTIED, HELD, RISE, Event, Stretch
from qvl_checks.memory.trace.lengthening import Lengthening, survivors

FIRST, SECOND, LAST = 2, 3, 4
"""The passes of the model that are traced decode steps; the prefill is pass 1."""
TRACED_STEPS = 3
AFTERWARDS = 2**30
"""The pass that events after the answer belong to."""
ALL_STEPS = 12
"""Up to so many further steps are each put in; of more, so many evenly spaced ones."""
FRESH = 2**40
"""Numbers of blocks from here on are those of further steps."""


class LongAnswer:
    """A run with ``steps`` decode steps; ``stretches`` as those of `Lengthening`."""

    def __init__(self, run: Lengthening, steps: int) -> None:
        self._run = run
        self._steps = steps
        self.kinds = run.kinds
        self.modules = run.modules

    def stretches(self) -> Iterator[Stretch]:
        """The parts of the run in their order."""
        if self._steps <= TRACED_STEPS:
            yield from self._run.stretches()
            return
        steps: dict[int, list[Stretch]] = {FIRST: [], SECOND: []}
        further: Optional[_Further] = None
        for stretch in self._run.stretches():
            if stretch.turn in steps:
                steps[stretch.turn].append(stretch)
            if stretch.turn == LAST and further is None:
                further = _Further(steps[FIRST], steps[SECOND], self.kinds)
                for step in steps_shown(self._steps):
                    yield from further.step(step)
            if further is None:
                yield stretch
            else:
                yield further.last(stretch, self._steps)


def steps_shown(steps: int) -> list[int]:
    """Which decode steps are put in between the second and the last one."""
    between = list(range(SECOND, steps))
    if len(between) <= ALL_STEPS:
        return between
    return [between[(len(between) - 1) * part // (ALL_STEPS - 1)] for part in range(ALL_STEPS)]


class _Further:
    """Makes steps like the second traced one, each with the right sizes."""

    def __init__(
        self, first: Sequence[Stretch], second: Sequence[Stretch], kinds: dict[int, str]
    ) -> None:
        self._second = second
        self._kinds = kinds
        self._serial = FRESH
        before, now = _births(first), _births(second)
        same = len(before) == len(now)
        self._growth = [later - earlier if same else 0 for earlier, later in zip(before, now)]
        self._left_by_first = _left(first)
        self._left_by_second = _left(second)
        self._left: dict[int, int] = {}
        """Order among what the latest step left -> its block."""
        self._births_of_last = 0

    def step(self, number: int) -> Iterator[Stretch]:
        """One more decode step; ``number``: which, from 1."""
        left_before = self._left or {order: block for block, order in self._left_by_second.items()}
        own: dict[int, int] = {}
        births = 0
        for stretch in self._second:
            made: list[Event] = []
            for device, block, size, module in stretch.events:
                if block < HELD:
                    continue
                if size > 0:
                    size += self._growth[births] * (number - 2)
                    births += 1
                    if block != RISE:
                        self._serial += 1
                        own[block] = self._serial
                        self._kinds[self._serial] = self._kinds[block]
                        block = self._serial
                    made.append((device, block, size, module))
                    continue
                if block == EMPTIED:
                    made.append((device, block, size, module))
                    continue
                gone = own.pop(block, None)
                if gone is None and block in self._left_by_first:
                    gone = left_before.pop(self._left_by_first[block], None)
                if gone is not None:
                    made.append((device, gone, size, module))
            yield Stretch(stretch.phase, stretch.stack, stretch.index, SECOND, made)
        self._left = {self._left_by_second[block]: made for block, made in own.items()}

    def last(self, stretch: Stretch, steps: int) -> Stretch:
        """A part of the last step, or of what follows it: with the sizes of step ``steps``, and
        the blocks of the step before it in place of the second one's."""
        made: list[Event] = []
        for device, block, size, module in stretch.events:
            if size > 0 and block > HELD:
                if self._births_of_last < len(self._growth):
                    size += self._growth[self._births_of_last] * (steps - TRACED_STEPS)
                self._births_of_last += 1
            elif block > HELD:
                order = self._left_by_second.get(block)
                if order is not None and self._left:
                    if order not in self._left:
                        continue
                    block = self._left.pop(order)
            made.append((device, block, size, module))
        return Stretch(stretch.phase, stretch.stack, stretch.index, stretch.turn, made)


def _births(step: Sequence[Stretch]) -> list[int]:
    return [
        size
        for stretch in step
        for _, block, size, _ in stretch.events
        if size > 0 and block > HELD
    ]


def _left(step: Sequence[Stretch]) -> dict[int, int]:
    """What a step leaves -> its place among that."""
    events = [event for stretch in step for event in stretch.events]
    return {block: order for order, block in enumerate(survivors(events))}
