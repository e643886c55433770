"""The standard library, tqdm and friends: calls whose value matters to the analysis."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from . import attributes, calls, expressions, operators, records, sequences
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    ListItem,
    MethodItem,
    ObjectItem,
    Ref,
    Text,
    Value,
    const,
    items_of,
    literal,
    merge,
    objects,
    of,
    soften,
    text_of,
)

_SIGNS = re.compile(r"\\.|\[[^\]]*\]")
_WORD = re.compile(r"[^\W\d_]{3}|[\u4e00-\u9fff]{2}")

Handler = Callable[[Frame, list[Value], DictItem, ast.AST], Value]


def call(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """The value of the call, or None if nothing is known of `name`."""
    last = name.rpartition(".")[2]
    if last in ("eval", "exec", "compile") and name.startswith("builtins."):
        return UNKNOWN
    if name.startswith("re.") and args:
        if not _tells_where(literal(args[0])):
            return UNKNOWN
        for value in args:
            for decoded in objects(value, "decoded"):
                decoded.data.result.attributes["cut"] = const(True)
        return UNKNOWN
    handler = _EXACT.get(name) or _LAST.get(last)
    if handler is None and last.startswith("DEFINE_"):
        handler = records.define_flag
    return handler(frame, args, keywords, node) if handler else None


def _tells_where(pattern: object) -> bool:
    """Whether a pattern can find the answer behind the prompt: it has a word, or is not known."""
    return not isinstance(pattern, str) or _WORD.search(_SIGNS.sub("", pattern)) is not None


def _dict(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    result = DictItem()
    for value in args:
        expressions.spread(frame, result, value)
    expressions.spread(frame, result, of(keywords))
    result.keys.update(keywords.keys)
    return of(result, frame.site(node))


def _namespace(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    given = DictItem()
    for value in args:
        expressions.spread(frame, given, value)
    expressions.spread(frame, given, of(keywords))
    return of(ObjectItem("namespace", dict(given.entries)), frame.site(node))


def _parser(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return of(ObjectItem("parser"), frame.site(node))


def _join(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    pieces: list[str | None] = []
    for number, value in enumerate(args):
        text = text_of(value[0].item) if len(value) == 1 else None
        pieces += ["/"] if number else []
        pieces.append(text)
    return of(operators.string(pieces), frame.site(node))


def _string(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    if args and all(text_of(a.item) is not None for a in args[0]):
        return args[0]
    known = literal(args[0]) if args else ""
    return const(str(known)) if known is not None else of(Text((None,)))


def _number(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    known = literal(args[0]) if args else None
    return args[0] if isinstance(known, (int, float)) else UNKNOWN


def _default(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    if "default" in keywords.entries:
        return soften(keywords.entries["default"])
    if "default_factory" in keywords.entries:
        return soften(calls.call(frame, keywords.entries["default_factory"], [], DictItem(), node))
    return soften(args[0]) if args and literal(args[0]) is not Ellipsis else UNKNOWN


def _getattr(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    name = literal(args[1]) if len(args) > 1 else None
    if not isinstance(name, str):
        return UNKNOWN
    if any(isinstance(a.item, ObjectItem) and a.item.kind == "model" for a in args[0]):
        return UNKNOWN
    if len(args) < 3:
        return attributes.read(frame, args[0], name, node)
    if any(isinstance(a.item, ObjectItem) and a.item.kind == "config" for a in args[0]):
        # The default is there because the program runs on releases with and without it.
        return UNKNOWN
    got = attributes.read(frame, args[0], name, node)
    return merge(args[2], tuple(a for a in got if not isinstance(a.item, MethodItem)))


def _setattr(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    name = literal(args[1]) if len(args) > 2 else None
    if isinstance(name, str):
        attributes.write(frame, args[0], name, args[2], node)
    return UNKNOWN


def _property(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return of(ObjectItem("property", data=args[0]), frame.site(node)) if args else UNKNOWN


def _super(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    owner = frame.names.get("__class__")
    instance = next(iter(frame.names.values()), UNKNOWN)
    return of(ObjectItem("super", data=(instance, owner[0].item if owner else None)))


def _holder(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    default = keywords.get("default")
    return of(ObjectItem("holder", {"default": default}), frame.site(node))


def _setting(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A setting that is read from outside, with a default."""
    return soften(keywords.entries["default"]) if "default" in keywords.entries else UNKNOWN


def _module(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    name = literal(args[0]) if args else None
    return of(Ref(name), frame.site(node)) if isinstance(name, str) else UNKNOWN


def _choice(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A widget of streamlit: the option that is chosen at first."""
    options = args[1] if len(args) > 1 else keywords.get("options")
    index = literal(keywords.get("index"), 0)
    for found in items_of(options, ListItem):
        if isinstance(index, int) and index < len(found.elements):
            return soften(found.elements[index])
    return UNKNOWN


def _typed(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """A widget of streamlit: what it holds at first."""
    return soften(args[1] if len(args) > 1 else keywords.entries.get("value", UNKNOWN))


CONFIG_READERS = (
    "draccus.parse",
    "jsonargparse.CLI",
    "jsonargparse.auto_cli",
    "pyrallis.parse",
    "simple_parsing.parse",
    "tyro.cli",
)
"""They fill a config class, or the parameters of a function, from the command line."""
_EXACT: dict[str, Handler] = {
    "builtins.list": sequences.list_,
    "builtins.tuple": sequences.list_,
    "builtins.set": sequences.list_,
    "builtins.sorted": sequences.sorted_,
    "builtins.max": sequences.with_key,
    "builtins.min": sequences.with_key,
    "builtins.reversed": sequences.list_,
    "builtins.iter": sequences.first,
    "builtins.dict": _dict,
    "builtins.zip": sequences.zip_,
    "builtins.enumerate": sequences.enumerate_,
    "builtins.range": sequences.range_,
    "builtins.len": sequences.len_,
    "builtins.str": _string,
    "builtins.int": _number,
    "builtins.float": _number,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.super": _super,
    "builtins.property": _property,
    "builtins.map": sequences.map_,
    "os.path.join": _join,
    "os.path.expanduser": _string,
    "os.path.abspath": _string,
    "os.fspath": _string,
    "pathlib.Path": _join,
    "pathlib.PurePath": _join,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
    "argparse.ArgumentParser": _parser,
    "dataclasses.field": _default,
    "typer.Option": _default,
    "typer.Argument": _default,
    "pydantic.Field": _default,
    "json.load": lambda frame, args, keywords, node: UNKNOWN,
    "json.loads": records.parsed_json,
    "dataclasses.replace": records.replaced,
    "dataclasses.asdict": records.converter,
    "attr.asdict": records.converter,
    "attrs.asdict": records.converter,
    "attr.ib": _default,
    "attrs.field": _default,
    "attr.field": _default,
    "builtins.vars": records.converter,
    "builtins.next": sequences.next_,
    "collections.namedtuple": records.named_tuple,
    "collections.ChainMap": records.chained,
    "types.MappingProxyType": sequences.first,
    "typing.cast": lambda frame, args, keywords, node: args[1] if len(args) > 1 else UNKNOWN,
    "itertools.product": sequences.product_,
    "itertools.chain": sequences.chain_,
    "itertools.cycle": sequences.first,
    "contextvars.ContextVar": _holder,
    "importlib.import_module": _module,
    "decouple.config": _setting,
    **dict.fromkeys(CONFIG_READERS, records.from_defaults),
    "omegaconf.OmegaConf.create": records.config_dict,
    "omegaconf.OmegaConf.structured": records.from_defaults,
    "omegaconf.OmegaConf.merge": records.merged,
    "omegaconf.OmegaConf.to_container": sequences.first,
    "omegaconf.OmegaConf.to_object": sequences.first,
    "glob.glob": sequences.unknown_list,
    "os.listdir": sequences.unknown_list,
}
_LAST: dict[str, Handler] = {
    "tqdm": sequences.first,
    "trange": sequences.range_,
    "track": sequences.first,
    "ArgumentParser": _parser,
    "SimpleNamespace": _namespace,
    "EasyDict": _namespace,
    "edict": _namespace,
    "ConfigDict": records.config_dict,
    "FrozenConfigDict": records.config_dict,
    "selectbox": _choice,
    "radio": _choice,
    "text_input": _typed,
    "number_input": _typed,
    "Munch": _namespace,
}
