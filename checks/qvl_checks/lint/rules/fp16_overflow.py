"""float16 with eager attention."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..flow.values import Item
from ..knowledge import BIASED, LEGACY
from ..meanings import attention_parts, dtype_name
from ..rule import Report, Rule, graded
from .eager_precision_drift import effective_dtype

RULE = Rule("attention.fp16-overflow", "Eager attention overflows float16.")


def check(program: Program) -> Iterator[Report]:
    """Loads in float16: with eager attention certain, without it a matter of the card."""
    for load, families in program.loads():
        if LEGACY in families:
            continue
        dtype = effective_dtype(program, load)

        def overflows(attention: Item, precision: Item) -> bool:
            return attention_parts(attention)[0] == "eager" and dtype_name(precision) == "fp16"

        certainty, alt = judge(load.path, [program.attention(load), dtype], overflows)
        if certainty != NEVER and alt is not None:
            yield RULE.at(
                alt.site or load.site,
                graded(certainty) if families <= BIASED else "info",
                "Eager attention in float16 overflows on this model: NaN logits, and answers of"
                " exclamation marks.",
                'Use bfloat16; on cards without it float16 with attn_implementation="sdpa", or'
                " float32.",
            )
            continue
        certainty, alt = judge(load.path, [dtype], lambda item: dtype_name(item) == "fp16")
        if certainty != NEVER and alt is not None and not program.quantised(load):
            yield RULE.at(
                alt.site or load.site,
                "hint",
                "The model was trained in bfloat16, whose range float16 does not have.",
                "Use bfloat16 unless the card lacks it (Turing, Volta).",
            )
