"""Records: dataclasses, named tuples, models, namespaces, and their conversions to dicts."""

from __future__ import annotations

import ast
import json
from typing import Any

from . import expressions, instances
from .frame import Frame
from .values import (
    UNKNOWN,
    ClassItem,
    DictItem,
    ListItem,
    ObjectItem,
    Site,
    Value,
    const,
    items_of,
    literal,
    merge,
    of,
    soften,
)

TO_DICT = {"model_dump", "dict", "_asdict", "to_dict"}


def as_dict(value: Value) -> Value:
    """`vars(x)`, `dataclasses.asdict(x)`: the attributes as a dict."""
    results: list[Value] = []
    for alt in value:
        if isinstance(alt.item, DictItem):
            results.append((alt,))
        elif isinstance(alt.item, ObjectItem) and alt.item.kind in ("instance", "namespace"):
            entries = {k: v for k, v in alt.item.attributes.items() if not k.startswith("__")}
            results.append(of(DictItem(entries), alt.site))
        else:
            results.append(UNKNOWN)
    return merge(*results) or UNKNOWN


def converter(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A function that turns its argument into a dict."""
    return as_dict(args[0]) if args else UNKNOWN


def replaced(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`dataclasses.replace(record, field=value)`."""
    results: list[Value] = []
    for alt in args[0] if args else ():
        if isinstance(alt.item, ObjectItem) and alt.item.kind == "instance":
            merged = {**alt.item.attributes, **keywords.entries}
            results.append(of(ObjectItem("instance", merged, alt.item.data, alt.item.cls)))
    return merge(*results) or UNKNOWN


def from_defaults(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A command line or structured config made from a config class, or a program that is called
    with one.
    """
    from . import calls, commands

    source = args[0] if args else keywords.get("config_class")
    results: list[Value] = []
    for alt in source:
        if isinstance(alt.item, ClassItem):
            results.append(commands.defaults(frame, alt.item, node))
        elif isinstance(alt.item, (DictItem, ObjectItem)):
            results.append((alt,))
        else:
            results.append(calls.call(frame, (alt,), [], DictItem(), node))
    return merge(*results) or UNKNOWN


def config_dict(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A dict whose keys can also be read as attributes."""
    result = DictItem()
    for value in (*args, of(keywords)):
        expressions.spread(frame, result, value)
    return of(result, frame.site(node))


def merged(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`OmegaConf.merge(base, override, ...)`: later ones win."""
    result = DictItem()
    for value in args:
        expressions.spread(frame, result, as_dict(value))
    return of(result, frame.site(node))


def chained(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`ChainMap(first, second, ...)`: earlier ones win."""
    return merged(frame, list(reversed(args)), keywords, node)


def named_tuple(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`collections.namedtuple("Name", fields, defaults=...)` as a class of the program."""
    if len(args) < 2:
        return UNKNOWN
    text = literal(args[1])
    names: list[Any] = text.replace(",", " ").split() if isinstance(text, str) else []
    for fields in items_of(args[1], ListItem):
        names = [literal(field) for field in fields.elements]
    if not names or not all(isinstance(name, str) and name.isidentifier() for name in names):
        return UNKNOWN
    body: list[ast.stmt] = [
        ast.AnnAssign(ast.Name(name, ast.Store()), ast.Name("object", ast.Load()), None, 1)
        for name in names
    ]
    definition = ast.ClassDef(str(literal(args[0])), [], [], body, [])
    cls = ClassItem(ast.copy_location(definition, node), frame.module)
    for defaults in items_of(keywords.get("defaults"), ListItem):
        rest = names[len(names) - len(defaults.elements) :]
        cls.attributes.update(zip(rest, defaults.elements, strict=False))
    return of(cls, frame.site(node))


def parsed_json(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`json.loads` of a text that is in the program."""
    text = literal(args[0]) if args else None
    if not isinstance(text, str):
        return UNKNOWN
    try:
        return from_python(json.loads(text), frame.site(args_node(node)))
    except (ValueError, RecursionError):
        return UNKNOWN


def args_node(node: ast.AST) -> ast.AST:
    """Where the first argument of a call is written."""
    return node.args[0] if isinstance(node, ast.Call) and node.args else node


def from_python(value: Any, site: Site) -> Value:
    """A plain Python object as a value."""
    if isinstance(value, dict):
        result = DictItem({key: from_python(entry, site) for key, entry in value.items()})
        result.keys = dict.fromkeys(value, site)
        return of(result, site)
    if isinstance(value, list):
        return of(ListItem([from_python(entry, site) for entry in value]), site)
    return const(value, site)


def define_flag(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """`absl.flags.DEFINE_string(name, default, help)`."""
    name = literal(args[0] if args else keywords.get("name"))
    value = soften(args[1] if len(args) > 1 else keywords.get("default"))
    if isinstance(name, str):
        frame.world.flags[name] = value
    return of(ObjectItem("namespace", {"value": value, "default": value}), frame.site(node))


def is_record_method(item: ObjectItem, name: str) -> bool:
    """Whether a method of a config class turns it into a dict."""
    return name in TO_DICT and item.cls is not None and instances.is_record(item.cls)
