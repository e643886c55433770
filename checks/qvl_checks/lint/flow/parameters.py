"""The local names at the start of a call: arguments, defaults, *args and **kwargs."""

from __future__ import annotations

import ast

from . import commands, expressions
from .frame import Frame
from .values import (
    UNKNOWN,
    Absent,
    Alt,
    DictItem,
    FunctionItem,
    ListItem,
    Text,
    Unknown,
    Value,
    merge,
    of,
    soften,
)


def bind(
    frame: Frame, item: FunctionItem, args: list[Value], keywords: DictItem
) -> dict[str, Value]:
    """The local names at the start of a call."""
    spec = item.node.args
    positional = [*spec.posonlyargs, *spec.args]
    names: dict[str, Value] = {}
    home = Frame(frame.world, item.module, {}, item.closure, frame.path, active=frame.active)
    defaults: dict[str, ast.expr] = {}
    for parameter, default in zip(reversed(positional), reversed(spec.defaults), strict=False):
        defaults[parameter.arg] = default
    for parameter, keyword_default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if keyword_default is not None:
            defaults[parameter.arg] = keyword_default
    for parameter, given in zip(positional, args, strict=False):
        names[parameter.arg] = given
    extra = args[len(positional) :]
    if spec.vararg:
        names[spec.vararg.arg] = of(ListItem(list(extra), not keywords.open, True))
    rest = DictItem(open=keywords.open, spreads=list(keywords.spreads))
    parameters = {p.arg: p for p in (*positional, *spec.kwonlyargs)}
    accepted = set(parameters)
    for key, value in keywords.entries.items():
        if key in accepted:
            names[key] = _or_default(home, value, defaults.get(key))
        else:
            rest.entries[key] = value
            if key in keywords.keys:
                rest.keys[key] = keywords.keys[key]
    if spec.kwarg:
        names[spec.kwarg.arg] = of(rest)
    for name in accepted - set(names):
        if keywords.open or keywords.spreads:
            names[name] = UNKNOWN
        elif name in defaults:
            names[name] = soften(expressions.evaluate(home, defaults[name]))
        else:
            names[name] = commands.fallback(home, item, parameters[name])
        if _is_text(parameters[name]) and all(isinstance(a.item, Unknown) for a in names[name]):
            names[name] = of(Text((None,)))
    return names


def _is_text(parameter: ast.arg) -> bool:
    """Whether the annotation says that it is a string, whatever the caller gives."""
    written = parameter.annotation
    return isinstance(written, ast.Name) and written.id == "str"


def _or_default(home: Frame, value: Value, default: ast.expr | None) -> Value:
    if default is None or not any(isinstance(a.item, Absent) for a in value):
        return value
    fallback = soften(expressions.evaluate(home, default))
    parts: list[Value] = []
    for alt in value:
        if isinstance(alt.item, Absent):
            parts.append(tuple(Alt(d.item, d.site, d.guard | alt.guard, d.soft) for d in fallback))
        else:
            parts.append((alt,))
    return merge(*parts)
