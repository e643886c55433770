"""Instances of the program's classes."""

from __future__ import annotations

import ast

from . import attributes, calls
from .following import LOST
from .frame import Frame
from .values import (
    UNKNOWN,
    ClassItem,
    DictItem,
    ObjectItem,
    Ref,
    Value,
    of,
    soften,
)


def instantiate(
    frame: Frame, cls: ClassItem, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """An instance of one of the program's classes."""
    if args and is_enum(cls):
        return args[0]
    instance = ObjectItem("instance", cls=cls)
    if cls.instance is None:
        cls.instance, cls.born = instance, frame.path
    initialiser = attributes.find_method(cls, "__init__")
    if initialiser is not None:
        made = calls.inline(frame, initialiser, [of(instance), *args], keywords)
        if made[0].item is LOST:
            instance.data = LOST
    elif is_record(cls):
        fill_record(cls, instance, args, keywords)
    post = attributes.find_method(cls, "__post_init__") or attributes.find_method(cls, "setup")
    if post is not None and initialiser is None:
        calls.inline(frame, post, [of(instance)], DictItem())
    return of(instance, frame.site(node))


def is_enum(cls: ClassItem) -> bool:
    """Whether the class lists members; calling it looks one up by its value."""
    return any(
        isinstance(alt.item, Ref) and alt.item.name.endswith("Enum")
        for base in cls.bases
        for alt in base
    )


def is_record(cls: ClassItem) -> bool:
    """Dataclass-like: annotated fields become parameters."""
    return any(isinstance(s, ast.AnnAssign) for s in cls.node.body)


def fill_record(
    cls: ClassItem, instance: ObjectItem, args: list[Value], keywords: DictItem
) -> None:
    """Set the fields of a dataclass-like instance."""
    for base in cls.bases:
        for alt in base:
            if isinstance(alt.item, ClassItem):
                fill_record(alt.item, instance, [], keywords)
    fields = [
        s.target.id
        for s in cls.node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    ]
    for number, name in enumerate(fields):
        if number < len(args):
            instance.attributes[name] = args[number]
        elif name in keywords.entries:
            instance.attributes[name] = keywords.entries[name]
        elif name in cls.attributes and not keywords.open:
            instance.attributes[name] = soften(cls.attributes[name])
        else:
            instance.attributes[name] = UNKNOWN
