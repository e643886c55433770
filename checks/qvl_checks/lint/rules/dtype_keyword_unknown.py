"""`dtype=` before it existed."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.events import Load
from ..flow.values import is_given
from ..rule import Report, Rule, rename_keyword

RULE = Rule(
    "versions.dtype-keyword-unknown",
    "from_pretrained knows `dtype` only from transformers 4.56 on.",
)


def _prepared(load: Load) -> bool:
    """Whether the program looks at the release, or is ready for the TypeError."""
    words = ("version", "signature", "except TypeError")
    return "TypeError" in load.catches or any(
        word in condition for condition in load.conditions for word in words
    )


def check(program: Program) -> Iterator[Report]:
    """The keyword on releases before 4.56."""
    if program.transformers >= Version("4.56.0"):
        return
    for load, _ in program.loads():
        value = load.keywords.get("dtype", load.path)
        if "dtype" not in load.keywords.entries or not is_given(value) or load.cls == "pipeline":
            continue
        if "torch_dtype" in load.keywords.entries or _prepared(load):
            # It knows both names and chooses.
            continue
        site = load.keywords.keys.get("dtype", load.site)
        yield RULE.at(
            site,
            "error",
            f"transformers {program.transformers} does not know the keyword `dtype` and hands it to"
            " the model, which raises TypeError.",
            "Write torch_dtype=, or upgrade to transformers 4.56 or later.",
            *rename_keyword(site, "torch_dtype"),
        )
