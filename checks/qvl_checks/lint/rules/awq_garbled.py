"""AWQ checkpoints of Qwen2.5-VL."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..rule import Report, Rule

RULE = Rule(
    "checkpoint.awq-garbled", "AWQ checkpoints of Qwen2.5-VL were reported to come out garbled."
)


def check(program: Program) -> Iterator[Report]:
    """Loads of Qwen2.5-VL-...-AWQ ids on releases of the reports."""
    if not Version("4.50") <= program.transformers < Version("4.52"):
        return
    for load, families in program.loads():
        if families == {"qwen2_5_vl"} and "awq" in program.source_text(load).lower():
            yield RULE.at(
                load.site,
                "hint",
                f"With transformers {program.transformers}, garbled text was reported for this AWQ"
                " checkpoint.",
                "If the log says that lm_head.weight is not used, change the release of"
                " transformers.",
            )
