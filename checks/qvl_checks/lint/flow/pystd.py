"""The standard library, tqdm and friends: calls whose value matters to the analysis."""

from __future__ import annotations

import ast
from collections.abc import Callable

from . import attributes, calls, expressions, iteration, operators
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    ListItem,
    MethodItem,
    ObjectItem,
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

Handler = Callable[[Frame, list[Value], DictItem, ast.AST], Value]


def call(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """The value of the call, or None if nothing is known of `name`."""
    last = name.rpartition(".")[2]
    if last in ("eval", "exec", "compile") and name.startswith("builtins."):
        return UNKNOWN
    if name.startswith("re.") and args:
        for value in args:
            for decoded in objects(value, "decoded"):
                decoded.data.result.attributes["cut"] = const(True)
        return UNKNOWN
    handler = _EXACT.get(name) or _LAST.get(last)
    return handler(frame, args, keywords, node) if handler else None


def _first(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return args[0] if args else keywords.get("iterable")


def _list(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    if not args:
        return of(ListItem(), frame.site(node))
    if all(isinstance(a.item, ListItem) for a in args[0]) and len(args[0]) == 1:
        item = items_of(args[0], ListItem)[0]
        return of(
            ListItem(list(item.elements), item.exact, at_most_one=item.at_most_one),
            frame.site(node),
        )
    kept = [a for a in args[0] if isinstance(a.item, ObjectItem)]
    return tuple(kept) or of(ListItem([UNKNOWN], exact=False), frame.site(node))


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


def _zip(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    columns = [iteration.elements(frame, value) for value in args]
    exact = bool(columns) and all(known for _, known in columns)
    length = min((len(values) for values, _ in columns), default=0)
    if exact:
        rows = [
            of(ListItem([values[n] for values, _ in columns], True, True)) for n in range(length)
        ]
        return of(ListItem(rows, True))
    row = ListItem([merge(*values[:4]) if values else UNKNOWN for values, _ in columns], True, True)
    return of(ListItem([of(row)], exact=False))


def _enumerate(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    values, exact = iteration.elements(frame, args[0]) if args else ([], False)
    rows = [
        of(ListItem([const(n) if exact else UNKNOWN, v], True, True)) for n, v in enumerate(values)
    ]
    return of(ListItem(rows, exact))


def _range(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return of(ListItem([UNKNOWN], exact=False))


def _len(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    lists = items_of(args[0], ListItem) if args else []
    if len(lists) == 1 and len(args[0]) == 1 and lists[0].exact:
        return const(len(lists[0].elements), frame.site(node))
    return UNKNOWN


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


def _super(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    owner = frame.names.get("__class__")
    instance = next(iter(frame.names.values()), UNKNOWN)
    return of(ObjectItem("super", data=(instance, owner[0].item if owner else None)))


def _map(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    if len(args) < 2:
        return UNKNOWN
    values, _ = iteration.elements(frame, args[1])
    frame.loops += 1
    result = calls.call(
        frame, args[0], [merge(*values[:4]) if values else UNKNOWN], DictItem(), node
    )
    frame.loops -= 1
    return of(ListItem([result], exact=False))


def _with_key(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """max, min, sorted: the key function runs on every element."""
    if "key" in keywords.entries and args:
        frame.loops += 1
        values, _ = iteration.elements(frame, args[0]) if len(args) == 1 else (args, True)
        one = merge(*values[:4]) if values else UNKNOWN
        calls.call(frame, keywords.entries["key"], [one], DictItem(), node)
        frame.loops -= 1
    return UNKNOWN


def _sorted(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    _with_key(frame, args, keywords, node)
    return _list(frame, args, keywords, node)


def _unknown_list(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return of(ListItem([UNKNOWN], exact=False), frame.site(node))


_EXACT: dict[str, Handler] = {
    "builtins.list": _list,
    "builtins.tuple": _list,
    "builtins.set": _list,
    "builtins.sorted": _sorted,
    "builtins.max": _with_key,
    "builtins.min": _with_key,
    "builtins.reversed": _list,
    "builtins.iter": _first,
    "builtins.dict": _dict,
    "builtins.zip": _zip,
    "builtins.enumerate": _enumerate,
    "builtins.range": _range,
    "builtins.len": _len,
    "builtins.str": _string,
    "builtins.int": _number,
    "builtins.float": _number,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.super": _super,
    "builtins.map": _map,
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
    "json.loads": lambda frame, args, keywords, node: UNKNOWN,
    "glob.glob": _unknown_list,
    "os.listdir": _unknown_list,
}
_LAST: dict[str, Handler] = {
    "tqdm": _first,
    "trange": _range,
    "track": _first,
    "ArgumentParser": _parser,
    "SimpleNamespace": _namespace,
    "EasyDict": _namespace,
    "edict": _namespace,
    "Munch": _namespace,
}
