"""Abstract values: what is known of an expression, under which condition, and where it was
written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .guards import ALWAYS, Guard, contradicts, outside

if TYPE_CHECKING:
    from .module import Module

MAX_ALTERNATIVES = 16
MAX_ELEMENTS = 64


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the source."""

    module: Module
    node: ast.AST

    @property
    def line(self) -> int:
        """1-based line in the analysed text (for a notebook: of the joined cells)."""
        return int(getattr(self.node, "lineno", 1))


class Item:
    """Base of everything that a value can be."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unknown(Item):
    """Nothing is known."""


@dataclass(frozen=True, slots=True)
class Absent(Item):
    """The name, key or attribute was never set on this path."""


@dataclass(frozen=True, slots=True)
class Const(Item):
    """A literal: str, int, float, bool, None or bytes."""

    value: Any


@dataclass(frozen=True, slots=True)
class Text(Item):
    """A string with unknown parts; None marks a hole."""

    pieces: tuple[str | None, ...]

    def known(self) -> str:
        """The text with U+0000 for every hole."""
        return "".join("\0" if piece is None else piece for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Ref(Item):
    """Something imported, by its full dotted name: `torch.float16`."""

    name: str


@dataclass(frozen=True, slots=True)
class Alt:
    """One alternative of a value."""

    item: Item
    site: Site | None = None
    guard: Guard = ALWAYS
    soft: bool = False
    """A default that the caller or the command line may override."""


Value = tuple[Alt, ...]
UNKNOWN: Value = (Alt(Unknown()),)
ABSENT: Value = (Alt(Absent()),)


@dataclass(eq=False, slots=True)
class DictItem(Item):
    """A dict (or keyword set, or namespace) that the program builds and may change."""

    entries: dict[Any, Value] = field(default_factory=dict)
    keys: dict[Any, Site] = field(default_factory=dict)
    open: bool = False
    """Unknown keys may exist."""
    spreads: list[Value] = field(default_factory=list)
    """Values spread into it whose keys are not known: model inputs."""

    def get(self, key: Any, path: Guard = ALWAYS) -> Value:
        """What `key` holds on `path`; Absent if it cannot be there, Unknown if it may be."""
        missing = UNKNOWN if self.open else ABSENT
        return on_path(self.entries[key], path) or missing if key in self.entries else missing


@dataclass(eq=False, slots=True)
class ListItem(Item):
    """A list, tuple or set; `exact` when the elements are all there is."""

    elements: list[Value] = field(default_factory=list)
    exact: bool = True
    is_tuple: bool = False
    at_most_one: bool = False
    """The length is not known but cannot exceed one."""

    def add(self, values: Iterable[Value]) -> None:
        """Append values; what does not fit makes the length unknown."""
        self.elements += list(values)
        if len(self.elements) > MAX_ELEMENTS:
            del self.elements[MAX_ELEMENTS:]
            self.exact = False


@dataclass(eq=False, slots=True)
class FunctionItem(Item):
    """A function of the program, with the scopes that it closes over."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Module
    closure: tuple[dict[str, Value], ...] = ()
    owner: ClassItem | None = None
    path: Guard = ALWAYS
    """Where it was defined."""


@dataclass(eq=False, slots=True)
class ClassItem(Item):
    """A class of the program."""

    node: ast.ClassDef
    module: Module
    attributes: dict[str, Value] = field(default_factory=dict)
    bases: list[Value] = field(default_factory=list)
    instance: ObjectItem | None = None
    born: Guard = ALWAYS
    """Where `instance` was made."""


@dataclass(eq=False, slots=True)
class ObjectItem(Item):
    """An instance, or a domain object: model, processor, inputs, generated ids ..."""

    kind: str
    attributes: dict[str, Value] = field(default_factory=dict)
    data: Any = None
    cls: ClassItem | None = None


@dataclass(frozen=True, slots=True)
class MethodItem(Item):
    """An attribute of a known object, looked up but not yet called: `model.generate`."""

    receiver: Item
    name: str


@dataclass(eq=False, slots=True)
class PartialItem(Item):
    """functools.partial(function, ...)."""

    function: Value
    args: list[Value]
    keywords: DictItem


def of(item: Item, site: Site | None = None) -> Value:
    """A value with one alternative."""
    return (Alt(item, site),)


def const(value: Any, site: Site | None = None) -> Value:
    """A literal."""
    return (Alt(Const(value), site),)


def on_path(value: Value, path: Guard) -> Value:
    """The alternatives that are possible on `path`."""
    if not path or (len(value) == 1 and not value[0].guard):
        return value
    return tuple([alt for alt in value if not contradicts(alt.guard, path)])


def under(value: Value, guard: Guard) -> Value:
    """The value, held only under `guard`."""
    if not guard:
        return value
    return tuple(
        Alt(alt.item, alt.site, alt.guard | guard, alt.soft)
        for alt in value
        if not contradicts(alt.guard, guard)
    )


def merge(*values: Value) -> Value:
    """All alternatives of all values, without repetitions."""
    values = tuple([value for value in values if value])
    if not values:
        return ()
    if len(values) == 1 and len(values[0]) < 2:
        return values[0]
    seen: dict[tuple[Any, ...], Alt] = {}
    for value in values:
        for alt in value:
            seen.setdefault(
                (_identity(alt.item), alt.site and id(alt.site.node), alt.guard, alt.soft), alt
            )
    alternatives = tuple(seen.values())
    return alternatives if len(alternatives) <= MAX_ALTERNATIVES else UNKNOWN


def _identity(item: Item) -> Any:
    if isinstance(item, Const):
        return ("const", type(item.value), item.value)
    if isinstance(item, (Unknown, Absent, Text, Ref)):
        return item
    return id(item)


def overwrite(old: Value | None, new: Value, path: Guard) -> Value:
    """What a variable holds after it was set to `new` on `path`."""
    if not path:
        return merge(new)
    kept: list[Alt] = []
    for alt in old or ():
        if contradicts(alt.guard, path):
            kept.append(alt)
        else:
            kept += [Alt(alt.item, alt.site, part, alt.soft) for part in outside(alt.guard, path)]
    return merge(under(new, path), tuple(kept))


def soften(value: Value) -> Value:
    """The value as a default that may be overridden."""
    return tuple(Alt(alt.item, alt.site, alt.guard, True) for alt in value)


def single(value: Value) -> Item:
    """The item if there is only one, else Unknown."""
    items = {id(alt.item): alt.item for alt in value}
    if len(items) == 1:
        return next(iter(items.values()))
    constants = {(type(i.value), i.value) for i in items.values() if isinstance(i, Const)}
    if len(constants) == 1 and all(isinstance(i, Const) for i in items.values()):
        return next(iter(items.values()))
    return Unknown()


def literal(value: Value, default: Any = None) -> Any:
    """The constant that the value is for sure, else `default`."""
    item = single(value)
    return item.value if isinstance(item, Const) else default


def items_of(value: Value, kind: type) -> list[Any]:
    """The items of one class among the alternatives."""
    return [alt.item for alt in value if isinstance(alt.item, kind)]


def objects(value: Value, kind: str) -> list[ObjectItem]:
    """The domain objects of `kind` among the alternatives."""
    return [alt.item for alt in value if isinstance(alt.item, ObjectItem) and alt.item.kind == kind]


def is_absent(value: Value) -> bool:
    """Whether it is certain that nothing was given."""
    return all(isinstance(alt.item, Absent) for alt in value)


def is_given(value: Value) -> bool:
    """Whether something may have been given."""
    return not is_absent(value)


def text_of(item: Item) -> str | None:
    """The text of a string item (holes are U+0000), the dotted name of a reference, else None."""
    if isinstance(item, Const) and isinstance(item.value, str):
        return item.value
    if isinstance(item, Text):
        return item.known()
    return None
