"""Qwen2_5_VLImageProcessor, which no release has."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.events import Import
from ..renames import everywhere
from ..rule import Report, Rule
from .model_class_missing import guarded

RULE = Rule(
    "images.removed-image-processor", "Qwen2_5_VLImageProcessor existed only before a release."
)
OLD, NEW = "Qwen2_5_VLImageProcessor", "Qwen2VLImageProcessor"


def check(program: Program) -> Iterator[Report]:
    """Imports and uses of the name, and of the Fast suffix where it is deprecated."""
    names = program.names()
    for event in names:
        if (
            event.name.rpartition(".")[2] != OLD
            or not event.name.startswith("transformers")
            or guarded(event)
        ):
            continue
        site = event.site
        yield RULE.at(
            site,
            "error",
            f"transformers has no {OLD}; it was removed before 4.49.0 was released.",
            f"Use {NEW}.",
            *everywhere(site.module, OLD, NEW),
        )
    if program.transformers < Version("5.0"):
        return
    for event in program.of(Import):
        if event.name == "transformers.Qwen2VLImageProcessorFast":
            yield RULE.at(
                event.site,
                "info",
                "The suffix Fast is deprecated in transformers 5.",
                f"Use {NEW}.",
            )
