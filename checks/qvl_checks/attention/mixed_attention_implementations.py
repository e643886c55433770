"""attention.mixed-attention-implementations: do text and vision run what was asked for?"""

from __future__ import annotations

from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
HARMFUL = "eager"
"""In the text part and in half precision; mixing as such is harmless."""


@check("attention.mixed-attention-implementations")
def mixed_attention_implementations(
    selection: SelectionFacts, model: ModelFacts, workload: WorkloadFacts
) -> Judgement:
    """The implementations of the two parts, as transformers selected them for this workload."""
    if model.model_type not in FAMILIES:
        return not_applicable(f"{model.family or model.name} is not concerned")
    row = selection.for_wish(workload.attention)
    if row is None or not row.selected:
        why = f": {row.error}" if row is not None and row.error else ""
        return not_applicable(f"transformers selects nothing for {workload.attention}{why}")
    text, vision = row.selected.get("text_config"), row.selected.get("vision_config")
    evidence = {
        "asked": workload.attention or "nothing",
        "text": text,
        "vision": vision,
        "dtype": workload.dtype,
    }
    if text == vision:
        return passed(
            f"Text and vision both run {text}", confidence=Confidence.MEASURED, evidence=evidence
        )
    if text != HARMFUL or workload.dtype == "float32":
        return passed(
            f"Text runs {text} and vision {vision}; the mixture does no harm",
            "Only eager text attention in half precision damages answers.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"The language model runs eager in {workload.dtype} while the vision tower runs {vision}",
        "The setting of each part counts, not that of the whole. Eager stores Q·Kᵀ of the text "
        "in half precision before the softmax, which ruins the answers of the Qwen2 families.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                "model.set_attn_implementation("
                '{"text_config": "sdpa", "vision_config": "sdpa"})  # 4.54 and later\n',
                summary="gives both parts fused attention; the keys are names of sub-configs, "
                "others are silently ignored",
                safety=Safety.SAFE,
            )
        ],
    )
