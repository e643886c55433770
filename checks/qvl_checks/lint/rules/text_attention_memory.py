"""Attention maps of long prompts."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.values import literal
from ..pixels import capped
from ..rule import Report, Rule

RULE = Rule(
    "memory.text-attention-memory", "Attention maps cost heads x tokens x tokens for every layer."
)


def check(program: Program) -> Iterator[Report]:
    """output_attentions=True without a cap on the image size."""
    for load, _ in program.loads():
        for run in program.runs_of(load.result):
            if literal(run.keywords.get("output_attentions", run.path)) is not True:
                continue
            if any(capped(program, encode) for encode in program.inputs_of(run)):
                continue
            yield RULE.at(
                run.keywords.keys.get("output_attentions", run.site),
                "info",
                "output_attentions=True keeps a heads x tokens x tokens matrix for every layer, and"
                " no cap limits the visual tokens here.",
                "Cap the pixels, and keep the maps of the layers that you need with a forward"
                " hook.",
            )
