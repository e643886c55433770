"""Private names of the modelling files."""

from collections.abc import Iterator

from ..facts import Program
from ..knowledge import version_table
from ..rule import Report, Rule
from .model_class_missing import guarded

RULE = Rule("versions.removed-private-classes", "A private name of the modelling code was removed.")


def check(program: Program) -> Iterator[Report]:
    """Imports from transformers.models.qwen2_vl and qwen2_5_vl against the table of removals."""
    removed = version_table("removed_private")
    for event in program.names():
        parts = event.name.split(".")
        if (
            parts[:2] != ["transformers", "models"]
            or len(parts) < 4
            or "modeling" not in event.name
        ):
            continue
        if parts[2] not in ("qwen2_vl", "qwen2_5_vl") or guarded(event):
            continue
        gone = removed.get(parts[-1])
        if gone is not None and program.transformers >= gone:
            yield RULE.at(
                event.site,
                "error",
                f"{parts[-1]} is private and no longer in {'.'.join(parts[:-1])} (transformers"
                f" {program.transformers}).",
                "Use ALL_ATTENTION_FUNCTIONS or AttentionInterface.register instead, or pin"
                f" transformers below {gone} for this patch.",
            )
