"""Qwen-VL-Chat over several GPUs."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..knowledge import LEGACY
from ..meanings import is_auto_map
from ..rule import Report, Rule, graded

RULE = Rule("devices.legacy-chat-multi-gpu", "Qwen-VL-Chat cannot be spread over GPUs.")


def check(program: Program) -> Iterator[Report]:
    """device_map="auto" for Qwen-VL(-Chat)."""
    for load, families in program.loads():
        certainty, _ = judge(load.path, [program.placement(load)], is_auto_map)
        if families == {LEGACY} and certainty != NEVER:
            yield RULE.at(
                load.keywords.keys.get("device_map", load.site),
                graded(certainty, "info"),
                "Qwen-VL-Chat supports one GPU; spread over several by device_map it fails.",
                'Use device_map="cuda".',
            )
