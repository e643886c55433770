"""max_memory beside a device_map that does not read it."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..flow.values import Absent, Const, DictItem, Item, Text
from ..meanings import is_auto_map
from ..rule import Report, Rule, graded

RULE = Rule("memory.max-memory-ignored", "max_memory is read only by the automatic device maps.")


def check(program: Program) -> Iterator[Report]:
    """max_memory given together with a device, a dict, or no device_map."""
    for load, _ in program.loads():
        if "max_memory" not in load.keywords.entries:
            continue
        certainty, _ = judge(
            load.path,
            [load.keywords.get("max_memory", load.path), program.placement(load)],
            _ignored,
        )
        if certainty != NEVER:
            yield RULE.at(
                load.keywords.keys.get("max_memory", load.site),
                graded(certainty),
                'max_memory has no effect here: only device_map="auto", "balanced",'
                ' "balanced_low_0" and "sequential" read it.',
                'Pass device_map="auto" with max_memory, or drop max_memory.',
            )


def _ignored(limit: Item, placement: Item) -> bool:
    if isinstance(limit, Absent) or (isinstance(limit, Const) and limit.value is None):
        return False
    if isinstance(placement, (Absent, DictItem, Text)):
        return True
    return isinstance(placement, Const) and not is_auto_map(placement)
