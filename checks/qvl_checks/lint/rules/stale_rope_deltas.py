"""A KV cache that outlives one generate() call."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Run, SetAttribute
from ..flow.values import ObjectItem
from ..knowledge import ANY_VL
from ..rule import Report, Rule

RULE = Rule("generation.stale-rope-deltas", "Position offsets of an earlier call are used again.")


def check(program: Program) -> Iterator[Report]:
    """past_key_values handed to generate() again without resetting rope_deltas."""
    reset = {id(e.what) for e in program.of(SetAttribute) if e.name.endswith("rope_deltas")}
    for run in program.of(Run):
        if (
            not run.generates
            or not program.model_families(run.model) & ANY_VL
            or id(run.model) in reset
        ):
            continue
        value = run.keywords.get("past_key_values", run.path)
        caches = [
            a.item for a in value if isinstance(a.item, ObjectItem) and a.item.kind == "cache"
        ]
        if not caches or ("Static" in caches[0].data.name and run.loops == caches[0].data.loops):
            continue
        shared = any(cache.data.loops < run.loops for cache in caches) or any(
            other is not run
            and set(caches) & {a.item for a in other.keywords.get("past_key_values", other.path)}
            for other in program.of(Run)
        )
        if shared:
            yield RULE.at(
                run.keywords.keys.get("past_key_values", run.site),
                "info",
                "This cache is used by several generate() calls, but the model keeps rope_deltas of"
                " the first.",
                "Set model.model.rope_deltas = None before a new conversation, and reuse the cache"
                " only for its own prefix.",
            )
