"""sdpa in the vision tower of Qwen2.5-VL, 4.49 to 4.53."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.certainty import CERTAIN, judge
from ..flow.values import Absent, Item
from ..meanings import attention_parts
from ..rule import Report, Rule

RULE = Rule(
    "attention.vision-sdpa-precision", "These releases lose accuracy with sdpa in the vision tower."
)


def check(program: Program) -> Iterator[Report]:
    """Qwen2.5-VL with sdpa, given or by default."""
    if not Version("4.49") <= program.transformers < Version("4.54"):
        return
    for load, families in program.loads():
        if load.keywords.open and "attn_implementation" not in load.keywords.entries:
            continue
        certainty, _ = judge(load.path, [program.attention(load)], _sdpa)
        if families == {"qwen2_5_vl"} and certainty == CERTAIN:
            yield RULE.at(
                load.keywords.keys.get("attn_implementation", load.site),
                "info",
                f"With transformers {program.transformers}, sdpa in the vision tower of Qwen2.5-VL"
                " was reported to cost accuracy.",
                'Upgrade to transformers 4.54 or later, or use "flash_attention_2".',
            )


def _sdpa(item: Item) -> bool:
    return isinstance(item, Absent) or attention_parts(item)[1] == "sdpa"
