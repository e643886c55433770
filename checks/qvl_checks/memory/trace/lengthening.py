"""The events of the full model's run, put together from those of a few traced layers.

Equal layers do equal things: each untraced layer repeats what the traced one that stands in for
it did, with blocks of its own. Three things happen to a block that a layer leaves behind: the next
layer frees it (the hidden states), the same layer frees it in the next pass (a cache that grows),
or whatever follows the stack does. A repeated layer frees the blocks of its own neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from qvl_checks.memory.trace.depth import LAYER_NAME, Stack
from qvl_checks.memory.trace.ledger import HELD, RISE, Event, Stretch

Birth = tuple[int, int, int]
"""(which pass through a stack, which of its traced layers, which of those it left behind)."""


class Lengthening:
    """A run of full depth; `stretches` gives it piece by piece, each time anew.

    ``kinds`` and ``modules`` say what its events' blocks and modules are.
    """

    def __init__(
        self,
        traced: Sequence[Stretch],
        stacks: Mapping[str, Stack],
        kinds: Mapping[int, str],
        modules: Sequence[str],
    ) -> None:
        self._traced = traced
        self._stacks = stacks
        self._traced_kinds = kinds
        self.modules = list(modules)
        self.kinds = {block: kind for block, kind in kinds.items() if block < HELD}
        self._renamed: dict[tuple[int, int], int] = {}
        self._births = self._find_births()

    def stretches(self) -> Iterator[Stretch]:
        """The parts of the run in their order."""
        run = _Run(self)
        position = group = 0
        while position < len(self._traced):
            one = self._traced[position]
            if not one.stack:
                yield Stretch(one.phase, turn=one.turn, events=run.between(one.events))
                position += 1
                continue
            stack = self._stacks[one.stack]
            layers = self._traced[position : position + len(stack.kept)]
            for index, place in enumerate(stack.stands_in):
                last = index == stack.last(place)
                events = run.layer(_with_held(layers, stack, place), group, place, index, last)
                yield Stretch(one.phase, one.stack, index, one.turn, events)
            position += len(stack.kept)
            group += 1

    def renamed(self, module: int, index: int) -> int:
        """The module of the same name in another layer."""
        key = module, index
        if key not in self._renamed:
            name = LAYER_NAME.sub(rf"\g<1>.{index}", self.modules[module], count=1)
            self._renamed[key] = len(self.modules)
            self.modules.append(name)
        return self._renamed[key]

    def birth(self, block: int) -> Optional[Birth]:
        """Where a block that outlives its layer comes from; None: from outside of every stack."""
        return self._births.get(block)

    def kind(self, traced: int) -> str:
        """The kind of a traced block."""
        return self._traced_kinds[traced]

    def _find_births(self) -> dict[int, Birth]:
        found: dict[int, Birth] = {}
        position = group = 0
        while position < len(self._traced):
            one = self._traced[position]
            count = len(self._stacks[one.stack].kept) if one.stack else 0
            for place in range(count):
                for order, block in enumerate(survivors(self._traced[position + place].events)):
                    found[block] = group, place, order
            position += count or 1
            group += bool(count)
        return found


class _Run:
    """The state while a full run is put together: which blocks of it are alive."""

    def __init__(self, plan: Lengthening) -> None:
        self._plan = plan
        self._serial = RISE
        self._outside: dict[int, int] = {}
        """Traced block -> the one of the full run."""
        self._held: set[int] = set()
        """What whoever came first took for all."""
        self._left: dict[Birth, dict[int, int]] = {}
        """What a traced layer left -> layer of the full model -> the block that this one left."""

    def between(self, events: Sequence[Event]) -> list[Event]:
        """Events outside of the stacks; what a layer left is freed for all that stood for it."""
        made: list[Event] = []
        for device, block, size, module in events:
            if block <= RISE:
                made.append((device, block, size, module))
            elif size > 0:
                made.append((device, self._born(block, self._outside), size, module))
            elif block in self._outside:
                made.append((device, self._outside.pop(block), size, module))
            else:
                made += [(device, one, size, module) for one in self._all_left(block)]
        return made

    def layer(
        self, events: Sequence[Event], group: int, place: int, index: int, last: bool
    ) -> list[Event]:
        """One layer of the full model, as the traced layer at ``place``; ``last``: it is the last
        layer that this one stands for."""
        made: list[Event] = []
        own: dict[int, int] = {}
        for device, block, size, traced_module in events:
            if block in self._held:
                continue
            module = self._plan.renamed(traced_module, index)
            if block < HELD:
                self._held.add(block)
            if block <= RISE:
                made.append((device, block, size, module))
                continue
            if size > 0:
                made.append((device, self._born(block, own), size, module))
                continue
            if block in own:
                freed = [own.pop(block)]
            else:
                freed = self._freed_by_layer(block, group, place, index, last)
            made += [(device, one, size, module) for one in freed]
        for block, number in own.items():
            birth = self._plan.birth(block)
            assert birth is not None
            self._left.setdefault(birth, {})[index] = number
        return made

    def _born(self, block: int, register: dict[int, int]) -> int:
        self._serial += 1
        register[block] = self._serial
        self._plan.kinds[self._serial] = self._plan.kind(block)
        return self._serial

    def _freed_by_layer(
        self, block: int, group: int, place: int, index: int, last: bool
    ) -> list[int]:
        """What a layer frees that another made."""
        birth = self._plan.birth(block)
        if birth is None:
            # From before the stack: gone once, when the last of the equal layers is done with it.
            gone = self._outside.pop(block, None) if last else None
            return [] if gone is None else [gone]
        born_in, born_at, order = birth
        if born_in == group:
            neighbour = index - (place - born_at)
            return self._left_by(group, neighbour, order)
        if born_at == place:
            gone = self._left.get(birth, {}).pop(index, None)
            return [] if gone is None else [gone]
        return self._all_left(block) if last else []

    def _left_by(self, group: int, index: int, order: int) -> list[int]:
        for (born_in, _, one), by_layer in self._left.items():
            if born_in == group and one == order and index in by_layer:
                return [by_layer.pop(index)]
        return []

    def _all_left(self, block: int) -> list[int]:
        birth = self._plan.birth(block)
        return list(self._left.pop(birth, {}).values()) if birth is not None else []


def _with_held(layers: Sequence[Stretch], stack: Stack, place: int) -> Sequence[Event]:
    """The events of a traced layer, and at their places what its equals among the traced ones took
    for all: one that stands for no layer may have come first."""
    events = layers[place].events
    for twin, one in enumerate(stack.twins):
        if one == place and twin != place:
            for position, event in enumerate(layers[twin].events):
                if event[1] < HELD:
                    events = [*events[:position], event, *events[position:]]
    return events


def survivors(events: Sequence[Event]) -> list[int]:
    """Blocks that are born here and not freed here, in the order of their birth."""
    alive: dict[int, None] = {}
    for _, block, size, _ in events:
        if block <= RISE:
            continue
        if size > 0:
            alive[block] = None
        else:
            alive.pop(block, None)
    return list(alive)
