"""Command-line parsers: argparse and HfArgumentParser."""

from __future__ import annotations

import ast

from . import calls
from .frame import Frame
from .values import (
    UNKNOWN,
    Alt,
    DictItem,
    FunctionItem,
    ListItem,
    ObjectItem,
    Value,
    const,
    items_of,
    literal,
    of,
)


def parser(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of argparse parsers and their groups."""
    if name in (
        "add_argument_group",
        "add_mutually_exclusive_group",
        "add_subparsers",
        "add_parser",
    ):
        return of(item)
    if name == "add_argument":
        _add_argument(frame, item, args, keywords)
        return UNKNOWN
    if name == "set_defaults":
        for key, value in keywords.entries.items():
            item.attributes[key] = value
        return UNKNOWN
    if name in ("parse_args", "parse_known_args", "parse_intermixed_args"):
        namespace = of(ObjectItem("namespace", dict(item.attributes)), frame.site(node))
        return (
            of(ListItem([namespace, UNKNOWN], True, True))
            if name == "parse_known_args"
            else namespace
        )
    return None


def _add_argument(frame: Frame, item: ObjectItem, args: list[Value], keywords: DictItem) -> None:
    names = [n for n in (literal(a) for a in args) if isinstance(n, str)]
    long = next((n for n in names if n.startswith("--")), names[0] if names else "")
    dest = literal(keywords.get("dest")) or long.lstrip("-").replace("-", "_")
    action = literal(keywords.get("action"))
    default = keywords.entries.get("default")
    if default is None and action in ("store_true", "store_false"):
        default = const(action == "store_false")
    value = UNKNOWN
    if default is not None:
        value = tuple(Alt(a.item, a.site, a.guard, True) for a in default)
        kind = keywords.get("type")
        if any(isinstance(a.item, FunctionItem) for a in kind):
            value = UNKNOWN
    item.attributes[str(dest)] = value


def hf_parser(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of HfArgumentParser: the dataclasses with their defaults."""
    results: list[Value] = []
    for value in item.data:
        for alt in value:
            classes = alt.item.elements if isinstance(alt.item, ListItem) else [(alt,)]
            results += [calls.call(frame, cls, [], DictItem(), node) for cls in classes]
    for result in results:
        for instance in items_of(result, ObjectItem):
            for key, field in instance.attributes.items():
                instance.attributes[key] = tuple(Alt(a.item, a.site, a.guard, True) for a in field)
    return of(ListItem(results, True, True))
