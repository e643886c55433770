"""AutoModelForVision2Seq on 5.x."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..renames import everywhere
from ..rule import Report, Rule
from .model_class_missing import guarded

RULE = Rule(
    "versions.removed-auto-class", "AutoModelForVision2Seq was removed in transformers 5.0.0."
)
OLD, NEW = "AutoModelForVision2Seq", "AutoModelForImageTextToText"


def check(program: Program) -> Iterator[Report]:
    """Imports of the old name, and uses through the package."""
    removed = program.transformers >= Version("5.0.0")
    if not removed and program.transformers < Version("4.57.0"):
        return
    names = program.names()
    sites = [e.site for e in names if e.name == f"transformers.{OLD}" and not guarded(e)]
    for site in sites:
        if not program.related(site.module):
            continue
        message = (
            f"{OLD} was removed in transformers 5.0.0."
            if removed
            else f"{OLD} is deprecated and gone in transformers 5."
        )
        yield RULE.at(
            site,
            "error" if removed else "info",
            message,
            f"Use {NEW}.",
            *everywhere(site.module, OLD, NEW),
        )
