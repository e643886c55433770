"""FlashAttention with float32 weights."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import NEVER, judge
from ..flow.values import Item
from ..meanings import attention_parts, is_flash, is_full
from ..rule import Report, Rule, graded
from .eager_precision_drift import effective_dtype

RULE = Rule(
    "attention.flash-attention-needs-half-precision",
    "FlashAttention works only in float16 and bfloat16.",
)


def check(program: Program) -> Iterator[Report]:
    """Loads that ask for FlashAttention and get float32, unless autocast surrounds the work."""
    for load, _ in program.loads():
        if program.quantised(load) or program.trains(load.site.module):
            continue
        if any(run.autocast for run in program.runs_of(load.result)) or program.calls(
            "set_default_dtype"
        ):
            continue
        if (
            load.keywords.open
            and "dtype" not in load.keywords.entries
            and "torch_dtype" not in load.keywords.entries
        ):
            continue

        def fails(attention: Item, precision: Item) -> bool:
            return any(is_flash(part) for part in attention_parts(attention)) and is_full(
                precision, program.transformers
            )

        certainty, alt = judge(
            load.path, [program.attention(load), effective_dtype(program, load)], fails
        )
        if certainty != NEVER and alt is not None:
            yield RULE.at(
                alt.site or load.site,
                graded(certainty, "error"),
                "FlashAttention accepts only float16 and bfloat16, and these weights are loaded in"
                " float32.",
                "Load with dtype=torch.bfloat16 (torch_dtype= before transformers 4.56).",
            )
