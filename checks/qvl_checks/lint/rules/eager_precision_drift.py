"""Eager attention in 16 bits on a language model with large key biases."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.events import SetAttribute
from ..flow.values import ABSENT, Absent, Item, Value, literal, merge
from ..knowledge import ANY_VL, BIASED
from ..meanings import attention_parts, dtype_name, is_half
from ..rule import Report, Rule, graded

RULE = Rule(
    "attention.eager-precision-drift", "Eager attention rounds the logits before the softmax."
)
FIX = (
    'Use attn_implementation="sdpa" or "flash_attention_2", or load in float32 if you need'
    " attention maps."
)


def check(program: Program) -> Iterator[Report]:
    """Loads with eager attention in bfloat16, later switches to eager, and
    output_attentions=True.
    """
    version = program.transformers
    for load, families in program.loads():
        if not families & BIASED or not families <= BIASED | ANY_VL:
            continue
        sure = families <= BIASED
        dtype = effective_dtype(program, load)

        def drifts(attention: Item, precision: Item) -> bool:
            text, _ = attention_parts(attention)
            if text != "eager" or dtype_name(precision) == "fp16":
                return False
            return is_half(precision, version)

        attention = program.attention(load)
        certainty, alt = judge(load.path, [attention, dtype], drifts)
        if certainty != NEVER and alt is not None:
            mixed = any(attention_parts(a.item)[1] not in (None, "eager") for a in attention)
            level = "info" if mixed or not sure else graded(certainty)
            yield RULE.at(
                alt.site or load.site,
                level,
                "Eager attention computes the logits in 16 bits, and the large key biases of this"
                " model make its answers collapse.",
                FIX,
            )
            continue
        yield from _late(program, load, dtype, sure)
        half, _ = judge(
            load.path, [dtype], lambda item: is_half(item, version) and dtype_name(item) != "fp16"
        )
        if half == CERTAIN and sure:
            yield from _maps(program, load)


def effective_dtype(program: Program, load) -> Value:  # type: ignore[no-untyped-def]
    """The dtype of the weights after later casts."""
    dtype = program.dtype(load)
    cast = load.result.attributes.get("cast", ABSENT) if load.result else ABSENT
    if cast is ABSENT:
        return dtype
    return merge(*(dtype if isinstance(a.item, Absent) else (a,) for a in cast)) if cast else dtype


def _late(program: Program, load, dtype: Value, sure: bool) -> Iterator[Report]:  # type: ignore[no-untyped-def]
    for event in program.of(SetAttribute):
        if event.what is None or not event.name.endswith("attn_implementation"):
            continue
        if event.what is load.result:
            owner, part = event.what, event.name
        elif isinstance(event.what.data, tuple):
            owner, part = event.what.data[0], event.what.data[1]
        else:
            continue
        if owner is not load.result or "vis" in part:
            continue
        half, _ = judge(load.path, [dtype], lambda item: is_half(item, program.transformers))
        if literal(event.value) == "eager" and half == CERTAIN:
            yield RULE.at(
                event.site,
                "warning" if sure else "info",
                "Switching this model to eager attention in 16 bits makes its answers collapse.",
                FIX,
            )


def _maps(program: Program, load) -> Iterator[Report]:  # type: ignore[no-untyped-def]
    for run in program.runs_of(load.result):
        if literal(run.keywords.get("output_attentions", run.path)) is not True:
            continue
        forced = program.transformers < Version("4.53")
        yield RULE.at(
            run.keywords.keys.get("output_attentions", run.site),
            "warning" if forced else "info",
            (
                "output_attentions=True makes this release fall back to eager attention in 16 bits,"
                " where this model's answers collapse."
                if forced
                else (
                    "Attention maps need eager attention, which in 16 bits makes this model's"
                    " answers collapse."
                )
            ),
            "Load in float32 for attention maps, and answer with sdpa or FlashAttention.",
        )
