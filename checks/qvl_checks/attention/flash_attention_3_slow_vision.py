"""attention.flash-attention-3-slow-vision: does the vision tower go window by window?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FIRST_BAD, FIRST_GOOD = Version("4.54"), Version("5.0.0.dev0")
FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
ONE_CALL = "flash_attention_2"
"""The only name with which these releases hand all images over in one call."""


@check("attention.flash-attention-3-slow-vision")
def flash_attention_3_slow_vision(
    model: ModelFacts,
    workload: WorkloadFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    selection: SelectionFacts | None,
) -> Judgement:
    """A flash variant of another name than version 2, on a release that compares the name."""
    if model.model_type not in FAMILIES:
        return not_applicable(f"{model.family or model.name} is not concerned")
    wished = workload.attention or ""
    used = vision_implementation(workload.attention, selection)
    if "flash" not in wished and "flash" not in used:
        return not_applicable("the workload asks for no flash-attention")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    evidence = {"transformers": str(release), "asked": wished, "vision": used}
    if not FIRST_BAD <= Version(release.base_version) < FIRST_GOOD:
        return passed(
            f"transformers {release} hands all images to the kernel in one call",
            evidence=evidence,
        )
    if used == ONE_CALL:
        return passed("The vision tower runs flash_attention_2 in one call", evidence=evidence)
    return failed(
        f"The vision tower runs {used} piece by piece on transformers {release}",
        "This release uses the single call for all images only when the name is exactly "
        f"{ONE_CALL}. With any other it loops over windows, in every block: about three times "
        "slower for image prompts in the report.",
        confidence=Confidence.REPORTED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                f"model = {model.class_name}.from_pretrained(\n"
                '    path, dtype=torch.bfloat16, device_map="cuda",\n'
                "    attn_implementation={\n"
                f'        "text_config": "{used}", "vision_config": "{ONE_CALL}",\n'
                "    },\n"
                ")\n",
                summary="gives the vision tower version 2; needs the package flash-attn as well",
            ),
            Fix.run(
                *target.install("transformers>=5.18,<6"),
                summary="installs a release that takes every flash variant in one call",
            ),
        ],
    )


def vision_implementation(wished: str | None, selection: SelectionFacts | None) -> str:
    """What the vision tower runs: as transformers selected it here, else as it was wished."""
    row = selection.for_wish(wished) if selection is not None else None
    selected = row.selected.get("vision_config") if row is not None else None
    return selected or wished or ""
