"""FlashAttention 3 in the vision tower of Qwen2.5-VL."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..flow.values import text_of
from ..knowledge import QWEN2
from ..meanings import attention_parts
from ..rule import Report, Rule

RULE = Rule(
    "attention.flash-attention-3-slow-vision",
    "FlashAttention 3 is slower than 2 in this vision tower.",
)


def check(program: Program) -> Iterator[Report]:
    """flash_attention_3 for the vision tower."""
    for load, families in program.loads():
        if not families <= QWEN2:
            continue
        certainty, alt = judge(
            load.path,
            [program.attention(load)],
            lambda item: "flash_attention_3" in (attention_parts(item)[1] or ""),
        )
        if certainty != NEVER and alt is not None:
            whole = text_of(alt.item) is not None
            yield RULE.at(
                alt.site or load.site,
                "info",
                "FlashAttention 3 ran this vision tower about three times slower than"
                " FlashAttention 2.",
                (
                    'Use {"text_config": "flash_attention_3", "vision_config":'
                    ' "flash_attention_2"}.'
                    if whole
                    else 'Set "vision_config" to "flash_attention_2".'
                ),
            )
