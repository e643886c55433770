"""GPU tensors that pile up in a loop."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Keep
from ..flow.values import ListItem, ObjectItem, Value
from ..rule import Report, Rule

RULE = Rule(
    "memory.memory-fragmentation", "GPU tensors are kept in a collection that grows with the loop."
)


def check(program: Program) -> Iterator[Report]:
    """Model outputs that are appended in a loop without leaving the GPU."""
    for keep in program.of(Keep):
        if program.trains(keep.site.module):
            continue
        for item in _tensors(keep.value):
            run = item.data[1] if item.kind == "tensor" else item.data
            if program.model_families(run.model):
                yield RULE.at(
                    keep.site,
                    "info",
                    "Every round keeps another tensor on the GPU, so memory grows until it runs"
                    " out.",
                    "Keep .cpu(), .item() or decoded text instead of the tensor.",
                )
                break


def _tensors(value: Value) -> Iterator[ObjectItem]:
    for alt in value:
        if isinstance(alt.item, ObjectItem) and alt.item.kind in (
            "tensor",
            "forward",
            "output",
            "trimmed",
        ):
            yield alt.item
        elif isinstance(alt.item, ListItem) and alt.item.exact:
            for element in alt.item.elements:
                yield from _tensors(element)
