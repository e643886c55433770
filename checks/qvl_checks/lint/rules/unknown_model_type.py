"""An Auto class with a checkpoint that is newer than the release."""

from collections.abc import Iterator

from ..facts import Program
from ..knowledge import version_table
from ..rule import Report, Rule

RULE = Rule(
    "versions.unknown-model-type",
    "The checkpoint's architecture is newer than this release of transformers.",
)


def check(program: Program) -> Iterator[Report]:
    """Model ids given to Auto classes against the first release of their family."""
    first = version_table("family_first_release")
    for load, _ in program.loads():
        if program.chosen_by_condition(load):
            continue
        families = program.named_families(load)
        if not load.cls.startswith("Auto") or not families or not families <= set(first):
            continue
        needed = min(first[family] for family in families)
        if program.transformers < needed:
            yield RULE.at(
                load.site,
                "error",
                f"transformers {program.transformers} does not know this architecture; {needed} is"
                " the first release that does.",
                f"pip install -U 'transformers>={needed}'.",
            )
