"""Decoding the prompt along with the answer."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Decode
from ..flow.values import ListItem, ObjectItem, Value, literal
from ..rule import Report, Rule

RULE = Rule("generation.prompt-decoded-with-answer", "The decoded text repeats the prompt.")


def check(program: Program) -> Iterator[Report]:
    """decode and batch_decode of generated ids that still start with the prompt."""
    for decode in program.of(Decode):
        outputs = list(_whole(decode.ids))
        if not outputs or not all(_concerns(program, item) for item in outputs):
            continue
        if len(outputs) < len(decode.ids):
            continue
        cut = decode.result is not None and "cut" in decode.result.attributes
        clean = literal(decode.keywords.get("skip_special_tokens", decode.path)) is True
        if cut:
            continue
        yield RULE.at(
            decode.site,
            "warning" if clean else "info",
            "generate() returns the prompt followed by the answer, and this decodes both.",
            "Cut the prompt off first: generated[:, inputs.input_ids.shape[1]:].",
        )


def _concerns(program: Program, item: ObjectItem) -> bool:
    run = item.data
    if run.model is not None:
        return bool(program.model_families(run.model))
    return program.related(run.site.module)


def _whole(value: Value) -> Iterator[ObjectItem]:
    for alt in value:
        if isinstance(alt.item, ObjectItem) and alt.item.kind == "output":
            yield alt.item
        elif (
            isinstance(alt.item, ListItem) and len(alt.item.elements) == 1 and not alt.item.is_tuple
        ):
            yield from _whole(alt.item.elements[0])
