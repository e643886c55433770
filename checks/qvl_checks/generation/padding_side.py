"""The checkpoint's tokenizer pads on the right, and prompts are to be continued in batches."""

from __future__ import annotations

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

BUILT_IN = "right"
"""What a tokenizer of transformers does when its file does not say."""
CURE = """\
processor = AutoProcessor.from_pretrained(path, padding_side="left")"""


@check("generation.padding-side")
def padding_side(
    files: CheckpointFilesFacts, workload: WorkloadFacts, model: ModelFacts
) -> Judgement:
    """``padding_side`` of tokenizer_config.json against the stated batch."""
    if files.state == "not-given":
        return not_applicable("no checkpoint folder was named (--model ./checkpoint)")
    if not model.class_name:
        return not_applicable(f"{model.name} is of no known Qwen-VL family")
    tokenizer = files.tokenizer
    if tokenizer.state == "missing":
        return not_applicable("the checkpoint has no tokenizer_config.json, so no tokenizer of it")
    if tokenizer.state != "read":
        return blocked(f"tokenizer_config.json cannot be read: {tokenizer.reason}")
    side = tokenizer.padding_side or BUILT_IN
    evidence = {
        "padding_side": tokenizer.padding_side,
        "effective": side,
        "batch": workload.batch,
    }
    if side == "left":
        return passed("The tokenizer pads on the left, as generation needs it", evidence=evidence)
    said = "says" if tokenizer.padding_side else "does not say, which means"
    if workload.batch < 2:
        return passed(
            "The tokenizer pads on the right, which single prompts do not notice",
            f"tokenizer_config.json {said} {side}. Before you generate in batches, load the "
            'processor with padding_side="left".',
            evidence=evidence,
        )
    return failed(
        f"The tokenizer pads on the right, so a batch of {workload.batch} continues its padding",
        f"tokenizer_config.json {said} {side}. generate() appends after the last column: shorter "
        "prompts of a batch are followed by padding, and their answers are empty or odd.",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                CURE,
                summary="pads on the left; for generation only, training may count on the right",
            )
        ],
    )
