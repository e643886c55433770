"""Methods and calls of processors, tokenizers and image processors."""

from __future__ import annotations

import ast

from . import models
from .events import Decode, Encode, Template
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    ListItem,
    ObjectItem,
    Value,
    literal,
    objects,
    of,
)


def method(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """`processor.name(...)`; None if nothing special is known of the method."""
    if name == "apply_chat_template":
        messages = args[0] if args else keywords.get("conversation")
        default = item.kind == "tokenizer"
        tokenizes = literal(
            keywords.get("tokenize"), default if "tokenize" not in keywords.entries else None
        )
        if tokenizes is True:
            if item.kind == "tokenizer":
                return UNKNOWN
            return encode(frame, item, args, keywords, node, template=True)
        event = frame.emit(
            Template(
                frame.site(node),
                name=name,
                args=args,
                keywords=keywords,
                processor=item,
                messages=messages,
            )
        )
        event.result = ObjectItem("prompt", data=event)
        prompt = of(event.result, frame.site(node))
        return of(as_many(prompt, messages), frame.site(node)) if several(messages) else prompt
    if name in ("batch_decode", "decode", "post_process_image_text_to_text"):
        return decode(frame, args, keywords, node)
    if name == "__call__":
        return encode(frame, item, args, keywords, node, template=False)
    if name in ("save_pretrained", "push_to_hub"):
        return UNKNOWN
    return None


def several(messages: Value) -> bool:
    """Whether messages are a list of conversations, each itself a list."""
    return bool(messages) and all(
        isinstance(alt.item, ListItem)
        and bool(alt.item.elements)
        and all(isinstance(inner.item, ListItem) for inner in alt.item.elements[0])
        for alt in messages
    )


def as_many(prompt: Value, messages: Value) -> ListItem:
    """A list with one prompt per conversation."""
    lists = [alt.item for alt in messages if isinstance(alt.item, ListItem)]
    if all(item.exact for item in lists) and len({len(item.elements) for item in lists}) == 1:
        return ListItem([prompt] * len(lists[0].elements))
    return ListItem([prompt], exact=False, at_most_one=all(item.at_most_one for item in lists))


def encode(
    frame: Frame,
    item: ObjectItem,
    args: list[Value],
    keywords: DictItem,
    node: ast.AST,
    template: bool,
) -> Value:
    """Note a call that turns prompts and images into model inputs."""
    if not template and len(args) > 1 and item.kind == "processor" and objects(args[0], "image"):
        for key, value in zip(("images", "text", "videos"), args, strict=False):
            keywords.entries.setdefault(key, value)
        args = []
    state = dict(item.attributes)
    for part in ("tokenizer", "image_processor"):
        for inner in objects(item.attributes.get(part, ()), part):
            state.update({f"{part}.{key}": value for key, value in inner.attributes.items()})
    event = frame.emit(
        Encode(
            frame.site(node),
            name="apply_chat_template" if template else "call",
            args=args,
            keywords=keywords,
            processor=item,
            template=template,
            state=state,
        )
    )
    event.result = ObjectItem("inputs", data=event)
    return of(event.result, frame.site(node))


def decode(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """Note a decode or batch_decode."""
    ids = (
        args[0]
        if args
        else next(
            (keywords.entries[k] for k in ("sequences", "token_ids") if k in keywords.entries),
            UNKNOWN,
        )
    )
    event = frame.emit(
        Decode(
            frame.site(models.attribute_of(node)),
            name="decode",
            args=args,
            keywords=keywords,
            ids=ids,
        )
    )
    event.result = ObjectItem("decoded", data=event)
    return of(event.result, frame.site(node))
