"""Classes by name: whose they are, and which release first has them."""

from __future__ import annotations

from packaging.version import Version

from ...knowledge import Family, knowledge
from ...model import Computed, Fix
from ...page import fold
from ...rule import Case, Hit


def family_of(folded: str) -> tuple[str, Family] | None:
    """The family whose class the folded name belongs to, the longest match first."""
    stems = {
        "qwen2_5_omni": ("qwen25omni", "qwen2_5_omni"),
        "qwen3_omni_moe": ("qwen3omni",),
        "qwen3_vl_moe": ("qwen3vlmoe",),
        "qwen3_vl": ("qwen3vl",),
        "qwen2_5_vl": ("qwen25vl", "qwen25vision"),
        "qwen2_vl": ("qwen2vl",),
        "qwen3_5_moe": ("qwen35moe",),
        "qwen3_5": ("qwen35",),
        "qwen4_exp": ("qwen4exp",),
    }
    for model_type, names in stems.items():
        if any(folded.startswith(fold(name)) for name in names):
            return model_type, knowledge().families[model_type]
    return None


def upgrade(since: str) -> Fix:
    """The command that brings the first release that has a class."""
    return Fix(
        "command",
        f'python -m pip install -U "transformers>={since}"',
        "review",
        "with the same python that runs the script",
    )


def outdated(case: Case, family: Family) -> bool:
    return any(v >= Version(family.since) for v in case.clues.transformers_versions)


def missing_class(case: Case, raw: str, line: int, score: float) -> Hit | None:
    known = family_of(fold(raw))
    if known is None or "imageprocessor" in raw:
        return None
    model_type, family = known
    computed: dict[str, Computed] = {
        "class": family.model_class if "forcond" in raw else raw,
        "model_type": model_type,
        "minimum_transformers": family.since,
    }
    notes = [f"{family.name} classes first appear in transformers {family.since}."]
    squeezed = raw.replace(" ", "")
    if "forcond" in squeezed and squeezed != family.model_class.lower():
        notes.append(f"The name is misspelt, too: the class is called {family.model_class}.")
    if outdated(case, family):
        notes.append(
            "The release of transformers that is named or installed has the class, so the "
            "script most likely runs in another interpreter than the one that was upgraded: "
            "compare `transformers.__file__` and `sys.executable` with the location that `pip "
            "show transformers` prints."
        )
    fixes = [upgrade(family.since)]
    return Hit("versions.model-class-missing", score, [line], computed, notes, fixes)
