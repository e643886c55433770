"""The state of the interpretation: the world that is shared, and one frame per function call."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from .events import Call, Event
from .following import ABOUT_MODELS, Followed, has_lost
from .guards import ALWAYS, Guard, Literal, contradicts
from .module import Module
from .values import UNKNOWN, FunctionItem, ObjectItem, Site, Value, on_path, overwrite

MAX_DEPTH = 12

E = TypeVar("E", bound=Event)


class BudgetExceeded(Exception):
    """The program needs more steps than the analysis may take."""


class Cut(NamedTuple):
    """Lines that were left out because the analysis reached a limit."""

    module: Module
    first: int
    """1-based, in the analysed text."""
    last: int


@dataclass(eq=False, slots=True)
class World:
    """What all frames of one analysis share."""

    resolve: Callable[[Module, str, int], Module | None]
    """(importing module, dotted name, level) -> project module, or None for a library."""
    events: list[Event] = field(default_factory=list)
    total: int = 0
    """How many steps the whole analysis may take."""
    steps: int = 0
    limit: int = 0
    cuts: list[Cut] = field(default_factory=list)
    lost: list[Call] = field(default_factory=list)
    """What is done to models with arguments that are not known because a call was not followed."""
    functions: dict[int, FunctionItem] = field(default_factory=dict)
    """Every function seen, by the id of its node."""
    executed: set[int] = field(default_factory=set)
    """Ids of function nodes whose body was interpreted to its end."""
    handed: dict[int, Guard] = field(default_factory=dict)
    """Where a function (by the id of its node) was handed to code that is not analysed."""
    made: dict[tuple[int, str], dict[int, ObjectItem]] = field(default_factory=dict)
    """Models, processors and tokenizers by (id of the module, kind)."""
    environment: dict[str, Value] = field(default_factory=dict)
    """Environment variables that the program sets."""
    flags: dict[str, Value] = field(default_factory=dict)
    """Flags of absl with their defaults."""
    indexed: int = 0
    """How many events `made` covers."""
    followed: dict[int, Followed] = field(default_factory=dict)
    """What is known of the calls of functions, by the ids of their nodes."""
    again: int = 0
    """How many steps functions took that were followed before."""
    pool: int = 0
    """Up to how many of them the analysis is cheap."""
    about_models: int = 0
    """How many events had to do with a model, a processor or what belongs to them."""

    @property
    def cheap(self) -> bool:
        """Whether the analysis has taken little up to now."""
        return self.again < self.pool

    @contextmanager
    def allowance(self, frame: Frame, steps: int, last: int) -> Iterator[None]:
        """Let the code up to line `last`, interpreted in `frame`, take `steps` of its own.

        What does not fit, or is nested too deeply, is left out and noted in `cuts`.
        """
        outer, start = self.limit, self.steps
        self.limit = min(start + steps, self.total)
        try:
            yield
        except (BudgetExceeded, RecursionError, MemoryError):
            self.cuts.append(Cut(frame.module, max(frame.line, 1), last))
        finally:
            self.limit = min(outer + self.steps - start, self.total)


@dataclass(eq=False, slots=True)
class Frame:
    """One activation: names, path, and the surroundings that matter to rules."""

    world: World
    module: Module
    names: dict[str, Value]
    closure: tuple[dict[str, Value], ...] = ()
    path: Guard = ALWAYS
    loops: int = 0
    gradients_off: bool = False
    autocast: bool = False
    functions: tuple[str, ...] = ()
    active: tuple[int, ...] = ()
    catches: frozenset[str] = frozenset()
    tests: tuple[str, ...] = ()
    returns: list[Value] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    globals_declared: set[str] = field(default_factory=set)
    line: int = 0
    """Where the interpretation is: the line of the current statement; 0 before the first."""

    def step(self) -> None:
        """Count one unit of work. Raises BudgetExceeded."""
        self.world.steps += 1
        if self.world.steps > self.world.limit:
            raise BudgetExceeded

    def site(self, node: ast.AST) -> Site:
        """The place of `node` in this frame's module."""
        return Site(self.module, node)

    def lookup(self, name: str) -> Value | None:
        """The value of a name on the current path, or None."""
        value = self.names.get(name)
        if value is None:
            for scope in self.closure:
                if name in scope:
                    value = scope[name]
                    break
            else:
                value = self.module.names.get(name)
                if value is None:
                    return None
        return on_path(value, self.path) or UNKNOWN

    def assign(self, name: str, value: Value) -> None:
        """Set a name on the current path."""
        scope = self.names
        if name in self.globals_declared:
            scope = next((s for s in self.closure if name in s), self.module.names)
        scope[name] = overwrite(scope.get(name), value, self.path)

    def with_literal(self, literal: Literal) -> Guard | None:
        """The path extended by one literal; None if that contradicts it."""
        extra: Guard = frozenset({literal})
        return None if contradicts(self.path, extra) else self.path | extra

    def emit(self, event: E) -> E:
        """Record an event with this frame's surroundings."""
        event.path = self.path
        event.order = len(self.world.events)
        event.loops = self.loops
        event.gradients_off = self.gradients_off
        event.autocast = self.autocast
        event.functions = self.functions
        event.catches = self.catches
        event.tests = self.tests
        self.world.events.append(event)
        if isinstance(event, ABOUT_MODELS):
            self._about_model(event)
        return event

    def _about_model(self, event: Event) -> None:
        self.world.about_models += 1
        if isinstance(event, Call) and has_lost((*event.args, *event.keywords.entries.values())):
            self.world.lost.append(event)
