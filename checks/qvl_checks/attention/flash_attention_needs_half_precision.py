"""flash-attention with a dtype that it does not take."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wish import NO_WISH, wished_generation
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

HALF = ("bfloat16", "float16")


@check("attention.flash-attention-needs-half-precision")
def flash_attention_needs_half_precision(
    workload: WorkloadFacts, surface: TransformersSurfaceFacts | None
) -> Judgement:
    """The stated dtype against what the kernels take."""
    if wished_generation(workload) is None:
        return not_applicable(NO_WISH)
    evidence = {"wish": workload.attention, "dtype": workload.dtype}
    if workload.dtype in HALF:
        return passed(f"{workload.attention} takes {workload.dtype}", evidence=evidence)
    keyword = "torch_dtype" if surface and surface.accepts_dtype is False else "dtype"
    return failed(
        f"{workload.attention} does not take {workload.dtype}",
        "Its kernels exist for float16 and bfloat16 only; transformers warns, and the kernel then "
        "raises.",
        evidence=evidence,
        fixes=[
            Fix.edit(
                "model = AutoModelForImageTextToText.from_pretrained(\n"
                f"    path, {keyword}=torch.bfloat16, "
                f'attn_implementation="{workload.attention}"\n)',
                summary="loads the weights in the precision that the model was trained in",
                safety=Safety.REVIEW,
            )
        ],
    )
