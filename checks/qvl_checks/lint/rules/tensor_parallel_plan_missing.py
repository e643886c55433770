"""tp_plan for a family without a plan."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.values import literal
from ..rule import Report, Rule

RULE = Rule(
    "devices.tensor-parallel-plan-missing",
    "The dense Qwen3-VL configuration has no tensor-parallel plan.",
)


def check(program: Program) -> Iterator[Report]:
    """tp_plan="auto" on Qwen3-VL."""
    for load, families in program.loads():
        if families == {"qwen3_vl"} and literal(load.keywords.get("tp_plan", load.path)) == "auto":
            yield RULE.at(
                load.keywords.keys.get("tp_plan", load.site),
                "info",
                'The configuration of Qwen3-VL brings no tensor-parallel plan, so tp_plan="auto"'
                " does not shard it.",
                'Use device_map="auto", or a serving engine with tensor parallelism.',
            )
