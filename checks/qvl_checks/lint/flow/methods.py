"""Method calls on objects of known kind."""

from __future__ import annotations

import ast
from collections.abc import Callable

from . import calls, containers, models, parsers, processors, results, training
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    Item,
    ListItem,
    MethodItem,
    ObjectItem,
    Unknown,
    Value,
    merge,
    objects,
    of,
    soften,
)

STILL_AN_IMAGE = {"convert", "copy", "crop", "filter", "reduce", "resize", "rotate", "transpose"}


def call(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """The value of `receiver.name(...)`."""
    if isinstance(receiver, ObjectItem):
        handler = _BY_KIND.get(receiver.kind)
        if handler is not None:
            value = handler(frame, receiver, name, args, keywords, node)
            if value is not None:
                return value
    value = containers.call(frame, receiver, name, args, keywords, node)
    if value is not None:
        return value
    return _by_name(frame, receiver, name, args, keywords, node)


def call_object(
    frame: Frame, item: ObjectItem, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """The value of `item(...)`."""
    if item.kind in ("model", "pipeline"):
        return models.run(
            frame, item if item.kind == "model" else None, False, args, keywords, node
        )
    if item.kind in ("processor", "tokenizer", "image_processor"):
        return processors.encode(frame, item, args, keywords, node, template=False)
    if item.kind == "manager":
        return args[0] if args else UNKNOWN
    calls.escape(frame, args, keywords)
    return UNKNOWN


def _by_name(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    if name == "generate" and (
        keywords.spreads or "pixel_values" in keywords.entries or "input_ids" in keywords.entries
    ):
        return models.run(frame, None, True, args, keywords, node)
    if name in ("batch_decode", "decode") and args and objects(args[0], "output"):
        return processors.decode(frame, args, keywords, node)
    if name == "from_pretrained" and isinstance(receiver, (Unknown, MethodItem)):
        return UNKNOWN
    if name == "run_in_executor" and len(args) > 1:
        return calls.call(frame, args[1], args[2:], keywords, node)
    if name in ("submit", "apply_async", "run_sync") and args:
        return calls.call(frame, args[0], args[1:], keywords, node)
    if name == "prepare":
        return args[0] if len(args) == 1 else of(ListItem(list(args), True, True))
    if name in ("unwrap_model", "prepare_model") and args:
        return args[0]
    if name == "get" and len(args) == 2:
        return merge(UNKNOWN, soften(args[1]))
    if name == "set_attn_implementation" and isinstance(receiver, MethodItem):
        return models.set_part_attention(frame, receiver, args)
    if isinstance(receiver, MethodItem) and name in results.KEEPS_IDS:
        return of(MethodItem(receiver, name), frame.site(node))
    calls.escape(frame, args, keywords, name)
    return UNKNOWN


def _image(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """A method of a picture, which mostly gives another one."""
    return of(item) if name in STILL_AN_IMAGE else UNKNOWN


def _holder(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """A context variable."""
    if name == "get":
        return soften(item.attributes["default"])
    if name == "set" and args:
        item.attributes["default"] = args[0]
    return UNKNOWN


def _super(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    from .attributes import find_method

    instance, cls = item.data
    for base in cls.bases if cls else ():
        for alt in base:
            if hasattr(alt.item, "attributes") and hasattr(alt.item, "bases"):
                method = find_method(alt.item, name)
                if method is not None:
                    return calls.inline(frame, method, [instance, *args], keywords)
    return UNKNOWN


Handler = Callable[[Frame, ObjectItem, str, list[Value], DictItem, ast.AST], "Value | None"]
_BY_KIND: dict[str, Handler] = {
    "model": models.method,
    "processor": processors.method,
    "tokenizer": processors.method,
    "image_processor": processors.method,
    "config": models.config_method,
    "generation_config": models.config_method,
    "inputs": results.inputs,
    "output": results.output,
    "trimmed": results.output,
    "tensor": results.tensor,
    "decoded": results.decoded,
    "trainer": training.trainer,
    "accelerator": training.accelerator,
    "parser": parsers.parser,
    "hf_parser": parsers.hf_parser,
    "super": _super,
    "holder": _holder,
    "image": _image,
}
