"""Everything on the first GPU, or unbounded images on it."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, judge
from ..flow.values import Const, Item
from ..rule import Report, Rule

RULE = Rule(
    "memory.first-gpu-overloaded", "The first GPU carries the vision tower and its activations."
)


def check(program: Program) -> Iterator[Report]:
    """device_map="sequential", which fills GPU 0 before it uses another."""
    for load, _ in program.loads():
        certainty, _ = judge(load.path, [program.placement(load)], _fills_first)
        if certainty == CERTAIN and "max_memory" not in load.keywords.entries:
            yield RULE.at(
                load.keywords.keys.get("device_map", load.site),
                "info",
                '"sequential" fills GPU 0 before it uses another, and the vision tower\'s'
                " activations need room there.",
                'Use device_map="auto" with a max_memory that leaves room on GPU 0.',
            )


def _fills_first(item: Item) -> bool:
    return isinstance(item, Const) and item.value == "sequential"
