"""FP8 checkpoints of Qwen3-VL in transformers."""

from collections.abc import Iterator

from ..facts import Program
from ..knowledge import QWEN3
from ..rule import Report, Rule

RULE = Rule(
    "checkpoint.fp8-checkpoint-unsupported",
    "The FP8 checkpoints of Qwen3-VL are for vLLM and SGLang.",
)


def check(program: Program) -> Iterator[Report]:
    """Loads of Qwen3-VL-...-FP8 ids."""
    for load, families in program.loads():
        if families <= QWEN3 and "fp8" in program.source_text(load).lower():
            yield RULE.at(
                load.site,
                "warning",
                "Qwen publishes this FP8 checkpoint for vLLM and SGLang; transformers is not"
                " supported.",
                "Load the bfloat16 checkpoint, or serve this one with vLLM or SGLang.",
            )
