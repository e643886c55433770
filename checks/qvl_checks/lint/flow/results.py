"""Methods of what processors and models return: inputs, ids, tensors, text."""

from __future__ import annotations

import ast

from . import models
from .events import Call, Drop, Move
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    DictItem,
    ObjectItem,
    Value,
    const,
    literal,
    of,
)

CUTTING = {
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "replace",
    "removeprefix",
    "find",
    "index",
    "rfind",
    "rindex",
    "splitlines",
}
KEEPS_IDS = {
    "cpu",
    "detach",
    "tolist",
    "numpy",
    "clone",
    "contiguous",
    "squeeze",
    "long",
    "to",
    "cuda",
}
OFF_GPU = {"cpu", "item", "tolist", "numpy"}
KEEPS_TEXT = {"strip", "lower", "upper", "rstrip", "lstrip", "title", "encode"}


def inputs(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of model inputs: moves, and dropped keys."""
    if name in ("to", "cuda"):
        device, dtype = models.target(name, args, keywords)
        frame.emit(
            Move(
                frame.site(models.attribute_of(node)),
                what=item,
                method=name,
                device=device,
                dtype=dtype,
            )
        )
        if device is not ABSENT:
            models.set_state(frame, item, "moved", device)
        return of(item)
    if name == "pop" and args:
        key = literal(args[0])
        if isinstance(key, str):
            frame.emit(Drop(frame.site(node), what=item, key=key))
        return UNKNOWN
    if name in ("items", "keys", "values"):
        return UNKNOWN
    if name in ("copy",):
        return of(item)
    return None


def output(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of generated ids."""
    return of(item) if name in KEEPS_IDS else None


def tensor(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of other tensors that models return."""
    if name in OFF_GPU:
        return UNKNOWN
    if name == "to" and args and literal(args[0]) == "cpu":
        return UNKNOWN
    if name in ("backward",):
        frame.emit(Call(frame.site(node), name="backward", args=args, keywords=keywords))
        return UNKNOWN
    return of(ObjectItem("tensor", dict(item.attributes), item.data))


def decoded(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of decoded text; some of them cut the prompt off."""
    if name in CUTTING:
        item.data.result.attributes["cut"] = const(True)
        return UNKNOWN
    return of(item) if name in KEEPS_TEXT else None
