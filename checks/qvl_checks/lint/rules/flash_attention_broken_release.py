"""FlashAttention on 4.53.0."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..knowledge import QWEN2
from ..meanings import attention_parts, is_flash
from ..rule import Report, Rule, graded

RULE = Rule(
    "attention.flash-attention-broken-release",
    "transformers 4.53.0 breaks FlashAttention in the vision tower.",
)


def check(program: Program) -> Iterator[Report]:
    """FlashAttention for Qwen2-VL and Qwen2.5-VL on exactly that release."""
    if program.transformers != Version("4.53.0"):
        return
    for load, families in program.loads():
        certainty, alt = judge(
            load.path, [program.attention(load)], lambda item: is_flash(attention_parts(item)[1])
        )
        if families <= QWEN2 and certainty != NEVER and alt is not None:
            yield RULE.at(
                alt.site or load.site,
                graded(certainty, "error"),
                "transformers 4.53.0 fails here: its vision attention has no attribute is_causal.",
                "pip install 'transformers>=4.53.1'.",
            )
