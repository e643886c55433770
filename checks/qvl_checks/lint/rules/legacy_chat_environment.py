"""Qwen-VL-Chat on a new transformers."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..knowledge import LEGACY
from ..rule import Report, Rule

RULE = Rule(
    "versions.legacy-chat-environment",
    "Qwen-VL-Chat's remote code needs transformers 4.31 or 4.32.",
)


def check(program: Program) -> Iterator[Report]:
    """Loads of Qwen-VL(-Chat) on releases that its remote code was not written for."""
    if program.transformers < Version("4.38"):
        return
    for load, families in program.loads():
        if families == {LEGACY}:
            yield RULE.at(
                load.site,
                "warning",
                "Qwen-VL-Chat brings code written for transformers 4.31 and 4.32; it breaks on"
                f" {program.transformers}.",
                "Run it in an environment of its own with transformers==4.32.0, or move to"
                " Qwen2.5-VL or Qwen3-VL.",
            )
