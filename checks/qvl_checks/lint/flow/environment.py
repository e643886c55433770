"""`os.environ`: what the program sets, and what it reads with which default."""

from __future__ import annotations

import ast

from . import expressions
from .events import Call, SetEnvironment
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    Alt,
    DictItem,
    MethodItem,
    Ref,
    Value,
    literal,
    merge,
    of,
    on_path,
    overwrite,
    soften,
)


def read(frame: Frame, key: str) -> Value:
    """`os.environ[key]`: what the program itself set, else unknown."""
    known = on_path(frame.world.environment.get(key, ()), frame.path)
    return known or of(MethodItem(Ref("os.environ"), key))


def write(frame: Frame, key: str, value: Value, node: ast.AST) -> None:
    """Note `os.environ[key] = value`."""
    frame.emit(SetEnvironment(frame.site(node), key=key, value=value))
    known = frame.world.environment
    known[key] = overwrite(known.get(key), value, frame.path)


def setter(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`os.environ.update`, `setdefault` and `os.putenv`."""
    if name.endswith(".update"):
        source = DictItem()
        for value in (*args, of(keywords)):
            expressions.spread(frame, source, value)
        for key, value in source.entries.items():
            if isinstance(key, str):
                place = source.keys.get(key)
                write(frame, key, value, place.node if place else node)
        return UNKNOWN
    key = literal(args[0]) if args else None
    if not isinstance(key, str) or len(args) < 2:
        return UNKNOWN
    if name.endswith("setdefault"):
        write(frame, key, soften(args[1]), node)
        return read(frame, key)
    write(frame, key, args[1], node)
    return UNKNOWN


def getter(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`os.environ.get(key, default)` and `os.getenv`."""
    frame.emit(Call(frame.site(node), name=name, args=args, keywords=keywords))
    key = literal(args[0]) if args else None
    known = on_path(frame.world.environment.get(key, ()), frame.path) if key else ()
    default = args[1] if len(args) > 1 else keywords.get("default")
    if default is ABSENT or not default:
        return known or UNKNOWN
    return merge(known, tuple(Alt(a.item, a.site, a.guard, True) for a in default))
