"""Batched generation with padding on the right."""

import ast
import re
from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode
from ..flow.values import (
    Absent,
    Alt,
    Const,
    DictItem,
    ListItem,
    Site,
    Value,
    items_of,
    literal,
    merge,
    on_path,
)
from ..rule import Report, Rule

RULE = Rule("generation.padding-side", "A batch is padded on the right before generation.")

PLURAL = re.compile(r"conversations|chats|dialogs|batch", re.IGNORECASE)
ONE_BY_ONE = re.compile(
    r"\b(?:batch_?size|bs|batch)\b(?:\W*,\W*type=int)?[^=\n]{0,40}=\s*1\b(?!\d)", re.IGNORECASE
)
"""A batch size of one somewhere in the file: whether batches are larger is for the user to say."""


def check(program: Program) -> Iterator[Report]:
    """Processor calls with several prompts and padding whose result is generated from."""
    for encode in program.of(Encode):
        if not program.processor_families(encode.processor) and not _feeds_qwen(program, encode):
            continue
        if not padded(encode) or not (several(encode) or _called_several(encode)):
            continue
        if not any(run.generates for run in program.consumers(encode)):
            continue
        side, site = _side(encode)
        if side == "right":
            yield RULE.at(
                site or encode.site,
                "info" if ONE_BY_ONE.search(encode.site.module.text) else "warning",
                "This batch is padded on the right, so shorter prompts are continued after padding"
                " and come out wrong.",
                'Set processor.tokenizer.padding_side = "left" before the batch is encoded.',
            )


def _feeds_qwen(program: Program, encode: Encode) -> bool:
    return any(program.model_families(run.model) for run in program.consumers(encode))


def padded(encode: Encode) -> bool:
    """Whether prompts of a processor call are filled up to one length."""
    for name in ("padding", "text_kwargs"):
        value = encode.keywords.get(name, encode.path)
        if literal(value) in (True, "longest", "max_length") and literal(value) is not None:
            return True
    return False


def several(encode: Encode) -> bool:
    """Whether a processor call gets more than one prompt."""
    if encode.template:
        value = encode.args[0] if encode.args else encode.keywords.get("conversation")
        return any(_conversations(alt) for alt in value) and bool(value)
    value = (
        encode.keywords.get("text", encode.path)
        if "text" in encode.keywords.entries
        else (encode.args[0] if encode.args else ())
    )
    return bool(value) and all(_long(alt) for alt in value)


def _called_several(encode: Encode) -> bool:
    """Nothing is known of the elements, but the variable says that they are conversations."""
    node = encode.site.node
    if not encode.template or not isinstance(node, ast.Call) or not node.args:
        return False
    name = node.args[0]
    return (
        isinstance(name, ast.Name)
        and PLURAL.search(name.id) is not None
        and bool(encode.args)
        and all(_long(alt) for alt in encode.args[0])
    )


def _long(alt: Alt) -> bool:
    item = alt.item
    if not isinstance(item, ListItem) or item.at_most_one:
        return False
    return len(item.elements) > 1 if item.exact else True


def _conversations(alt: Alt) -> bool:
    """A list of conversations, each itself a list."""
    item = alt.item
    if not isinstance(item, ListItem) or not item.elements or not _long(alt):
        return False
    return all(isinstance(a.item, ListItem) for a in item.elements[0])


def _side(encode: Encode) -> tuple[str | None, Site | None]:
    """The padding side in force, and where it was set."""
    for name in ("processor_kwargs", "text_kwargs", "tokenizer_kwargs"):
        for nested in items_of(encode.keywords.get(name, encode.path), DictItem):
            if "padding_side" in nested.entries or nested.open:
                return _known(nested.get("padding_side", encode.path)), None
    given = encode.keywords.get("padding_side", encode.path)
    if not all(isinstance(a.item, Absent) for a in given):
        return _known(given), encode.keywords.keys.get("padding_side")
    if encode.keywords.open and not encode.template:
        pass
    values: list[Value] = []
    for key in ("tokenizer.padding_side", "padding_side"):
        if key in encode.state:
            values.append(on_path(encode.state[key], encode.path))
    if "tokenizer" in encode.state and any(
        not hasattr(a.item, "kind") for a in encode.state["tokenizer"]
    ):
        return None, None
    if not values or not any(values):
        load = encode.processor.data if encode.processor else None
        if load is not None and load.keywords.open and "padding_side" not in load.keywords.entries:
            return None, None
        return "right", None
    value = merge(*values) if len(values) == 1 else values[0]
    site = value[0].site if value else None
    return _known(value), site


def _known(value: Value) -> str | None:
    sides = {a.item.value if isinstance(a.item, Const) else None for a in value}
    return str(sides.pop()) if len(sides) == 1 and None not in sides else None
