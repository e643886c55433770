"""Which calls of the program's own functions are followed.

The first call of a function always is, and so are most of one that has to do with a model. What the
others come to is mostly the same each time: they are followed again while that is cheap.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from . import events as ev
from .values import (
    ClassItem,
    Const,
    DictItem,
    FunctionItem,
    Item,
    ListItem,
    MethodItem,
    ObjectItem,
    Unknown,
    Value,
)

MAX_CALLS = 24
"""How many calls of a function that concerns a model are followed whatever they take."""
SAME_CONTEXT = 6
"""How many calls that are given the same are followed in any case if they concern a model."""
STEPS_AGAIN = 600
"""What following a function again may take in all, if something comes of it."""
STEPS_IN_VAIN = 60
"""The same for a function of which nothing has come."""
WHILE_CHEAP, FROM_A_MODEL, ELSE = 10, 3, 1
"""How much more it may take while the whole analysis takes little, and where the file that calls
speaks of a Qwen-VL model.
"""
NEW_CONTEXT = 4
"""How much more a call may take that differs from all before in what it is given."""
ABOUT_MODELS = (
    ev.Load,
    ev.LoadProcessor,
    ev.Encode,
    ev.Template,
    ev.VisionInfo,
    ev.Run,
    ev.Decode,
    ev.Move,
)
PLAIN = {"instance", "module", "namespace", "manager", "result", "image", "super"}
"""Kinds of objects that have nothing to do with a model."""


@dataclass(slots=True)
class Followed:
    """What was seen when calls of one function were followed."""

    calls: int = 0
    steps: int = 0
    """What all but the first took."""
    about_models: bool = False
    """Something happened to a model, a processor or what belongs to them."""
    fruitful: bool = False
    """It gave back or set something."""
    contexts: dict[Hashable, int] = field(default_factory=dict)
    """How often it was called in each."""

    def again(self, item: FunctionItem, names: dict[str, Value], more: int) -> bool:
        """Whether a call that starts with these local names is followed; `more` is WHILE_CHEAP,
        FROM_A_MODEL or ELSE.
        """
        if not self.calls:
            return True
        context, about_models = _context(item, names)
        before = self.contexts.get(context, 0)
        self.contexts[context] = before + 1
        fresh = not before
        if (
            (self.about_models or about_models)
            and self.calls < MAX_CALLS
            and (more > ELSE or before < SAME_CONTEXT)
        ):
            return True
        room = STEPS_AGAIN if self.fruitful else STEPS_IN_VAIN
        return self.steps < room * (NEW_CONTEXT if fresh else 1) * more

    def learn(self, value: Value, steps: int, about_models: bool, changes: bool) -> None:
        """Take note of a call that was followed."""
        if self.calls:
            self.steps += steps
        self.calls += 1
        self.about_models = self.about_models or about_models
        self.fruitful = self.fruitful or changes or any(_says_something(a.item) for a in value)


def _says_something(item: Item) -> bool:
    if isinstance(item, Const):
        return item.value is not None and not isinstance(item.value, bool)
    return not isinstance(item, (Unknown, MethodItem))


def _context(item: FunctionItem, names: dict[str, Value]) -> tuple[Hashable, bool]:
    """What makes a call differ from others: the functions, classes and constants that it is given;
    and whether it is given a model or what belongs to one.
    """
    parts: list[Hashable] = [id(item)] if item.closure else []
    about_models = False
    for name, value in names.items():
        for alt in value[:4]:
            given = alt.item
            if isinstance(given, Const):
                parts.append((name, type(given.value), given.value))
            elif isinstance(given, (FunctionItem, ClassItem)):
                parts.append((name, id(given.node)))
            elif isinstance(given, ObjectItem):
                about_models = about_models or given.kind not in PLAIN
                parts.append((name, given.kind, id(given.cls)))
            elif isinstance(given, MethodItem) and isinstance(given.receiver, ObjectItem):
                about_models = about_models or given.receiver.kind not in PLAIN
                parts.append((name, given.name, id(given.receiver.cls)))
            elif isinstance(given, DictItem):
                about_models = about_models or bool(given.spreads)
    return tuple(parts), about_models


class Lost(Unknown):
    """Not known because a call was not followed."""

    __slots__ = ()


LOST = Lost()


def is_lost(item: Item) -> bool:
    """Whether nothing is known of an item because some call was not followed."""
    while isinstance(item, MethodItem):
        item = item.receiver
    return isinstance(item, Lost) or (isinstance(item, ObjectItem) and item.data is LOST)


def has_lost(values: Iterable[Value]) -> bool:
    """Whether something that was not followed may matter to a call with these arguments."""
    for value in values:
        for alt in value:
            if is_lost(alt.item):
                return True
            if isinstance(alt.item, ListItem) and any(
                is_lost(a.item) for element in alt.item.elements for a in element
            ):
                return True
    return False
