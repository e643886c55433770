"""A class that the release does not have."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Named, ReadName
from ..knowledge import version_table
from ..rule import Report, Rule

RULE = Rule(
    "versions.model-class-missing",
    "A transformers class is imported that this release does not have.",
)
GUARDS = {
    "ImportError",
    "ModuleNotFoundError",
    "Exception",
    "BaseException",
    "AttributeError",
    "RuntimeError",
}
_SHAPES = ("ForConditionalGeneration",)


def check(program: Program) -> Iterator[Report]:
    """Imports of classes against the table of first releases, and spellings that never existed."""
    first = version_table("first_release")
    for event in program.names():
        root, _, _ = event.name.partition(".")
        name = event.name.rpartition(".")[2]
        if root not in ("transformers", "modelscope") or guarded(event):
            continue
        if isinstance(event, ReadName) and event.name.count(".") != 1:
            continue
        if not program.related(event.site.module) and not name.startswith("Qwen"):
            continue
        needed = first.get(name)
        if needed is not None and program.transformers < needed:
            yield RULE.at(
                event.site,
                "info" if program.on_condition(event) else "error",
                f"transformers {program.transformers} has no {name}; it came with {needed}.",
                "Upgrade in the interpreter that runs this: pip install -U"
                f" 'transformers>={needed}'.",
            )
        elif needed is None and (meant := _misspelt(name, list(first))):
            yield RULE.at(
                event.site,
                "error",
                f"transformers has no {name}; the class is spelt {meant}.",
                f"Import {meant}.",
            )


def guarded(event: Named) -> bool:
    """Whether the program is prepared for the import to fail, or tries it after another failed."""
    words = ("version", "available", "hasattr", "getattr(", *(f"except {name}" for name in GUARDS))
    # Where the package is there and only the name is not, the error is another ImportError.
    caught = GUARDS if event.name.count(".") > 1 else GUARDS - {"ModuleNotFoundError"}
    return bool(event.catches & caught) or any(
        word in test for test in event.conditions for word in words
    )


def _misspelt(name: str, known: list[str]) -> str | None:
    plain = name.lower().replace("_", "")
    if not plain.startswith("qwen") or not name.endswith(_SHAPES):
        return None
    return next((k for k in known if k.lower().replace("_", "") == plain and k != name), None)
