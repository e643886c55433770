"""FlashAttention for a model on the CPU."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.values import ABSENT, Absent, DictItem, Item
from ..meanings import attention_parts, device_kind, is_flash
from ..rule import Report, Rule

RULE = Rule("attention.flash-attention-on-cpu", "FlashAttention has no CPU kernel.")


def check(program: Program) -> Iterator[Report]:
    """Loads that ask for FlashAttention and place the model on the CPU."""
    for load, _ in program.loads():
        if load.result is None:
            continue
        flash, alt = judge(
            load.path,
            [program.attention(load)],
            lambda item: any(map(is_flash, attention_parts(item))),
        )
        if flash == NEVER or alt is None:
            continue
        moved = load.result.attributes.get("moved", ABSENT)
        certainty, _ = judge(
            load.path, [program.attention(load), program.placement(load), moved], _stays_on_cpu
        )
        if certainty == CERTAIN:
            yield RULE.at(
                alt.site or load.site,
                "error",
                "FlashAttention needs a GPU, and this model is placed on the CPU.",
                'Use attn_implementation="sdpa" on the CPU.',
            )


def _stays_on_cpu(attention: Item, placement: Item, moved: Item) -> bool:
    if not any(map(is_flash, attention_parts(attention))):
        return False
    if not isinstance(moved, Absent):
        return device_kind(moved) == "cpu"
    if isinstance(placement, DictItem):
        places = [device_kind(a.item) for value in placement.entries.values() for a in value]
        return bool(places) and all(place == "cpu" for place in places)
    return device_kind(placement) == "cpu"
