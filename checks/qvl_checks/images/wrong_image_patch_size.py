"""The installed qwen-vl-utils can resize for 14-pixel patches only, and the model has others."""

from __future__ import annotations

from typing import Any

from qvl_checks.video.readers_facts import ReadersFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

PARAMETER = "image_patch_size"
BUILT_IN = 14
UTILS = "qwen-vl-utils>=0.0.14"
"""0.0.13 has the parameter as well; 0.0.14 is what the model's own instructions name."""


@check("images.wrong-image-patch-size")
def wrong_image_patch_size(
    readers: ReadersFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """The patch size of the model against what ``process_vision_info`` can be told."""
    patch = patch_size(model.config)
    if not model.class_name or patch is None or patch == BUILT_IN:
        return not_applicable(f"{model.family or model.name} has no patches other than 14 pixels")
    utils = readers.qwen_vl_utils
    if not utils.installed:
        return not_applicable("qwen-vl-utils is not installed; transformers resizes once")
    accepts = utils.accepts(PARAMETER)
    evidence = {
        "patch_size": patch,
        "qwen_vl_utils": utils.version,
        "process_vision_info": utils.parameters,
    }
    if accepts is None:
        return inconclusive(
            f"the parameters of process_vision_info are not known: {utils.reason}",
            evidence=evidence,
        )
    if accepts:
        return passed(
            f"qwen-vl-utils {utils.version} can resize for {patch}-pixel patches",
            f"It does so only when asked: image_patch_size={patch}.",
            evidence=evidence,
        )
    return failed(
        f"qwen-vl-utils {utils.version} resizes for {BUILT_IN}-pixel patches, the model has {patch}"
        "-pixel ones",
        "process_vision_info has no parameter image_patch_size, so images are resized to multiples "
        f"of {2 * BUILT_IN} and then by the processor to multiples of {2 * patch}: resampled "
        "twice, with boxes and points slightly off.",
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("--upgrade", UTILS),
                summary=f"installs a release that takes image_patch_size={patch}; pass "
                "do_resize=False to the processor as well",
            )
        ],
    )


def patch_size(config: dict[str, Any]) -> int | None:
    """As config.json says; None: it does not."""
    vision = config.get("vision_config")
    patch = vision.get("patch_size") if isinstance(vision, dict) else None
    return patch if isinstance(patch, int) else None
