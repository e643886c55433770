"""The checkpoint names an image processor class that the installed transformers does not have."""

from __future__ import annotations

from qvl_checks.images.own_row import REASON_SHOWN
from qvl_checks.images.processor_facts import ProcessorFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

NEVER_RELEASED = "Qwen2_5_VLImageProcessor"
"""Existed on the development branch only; the same as Qwen2VLImageProcessor."""


@check("images.removed-image-processor")
def removed_image_processor(
    processor: ProcessorFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Whether AutoImageProcessor can make what ``image_processor_type`` names."""
    if model.source != "folder":
        return not_applicable("no checkpoint folder was named (--model ./checkpoint)")
    row = processor.own(model.model_type)
    if row is None or row.default is None:
        return blocked(f"the image processor could not be run: {processor.reason}")
    name = processor.named_class
    if name is None:
        return not_applicable("the checkpoint names no image processor")
    evidence = {
        "image_processor_type": name,
        "transformers": processor.transformers,
        "made": row.class_name,
        "error": row.default.reason,
    }
    if row.default.status == "ok":
        return passed(
            f"the image processor {name} of the checkpoint loads as {row.class_name}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if processor.named_class_exists:
        return blocked(
            f"{name} exists but cannot be used here: {row.default.reason[:REASON_SHOWN]}",
            evidence=evidence,
        )
    if name.startswith(NEVER_RELEASED):
        return failed(
            f"The checkpoint names the image processor {name}, which was never released",
            "It was saved with a development version of early 2025. The released class "
            "Qwen2VLImageProcessor does the same.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[rename(name, model.path or "")],
        )
    return failed(
        f"transformers {processor.transformers} has no image processor {name}",
        "The checkpoint was saved with another version, or brings code of its own, which the "
        f"doctor does not run. AutoImageProcessor says: {row.default.reason[:REASON_SHOWN]}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("--upgrade", "transformers"),
                summary="installs a release that may have the class",
            )
        ],
    )


def rename(name: str, folder: str) -> Fix:
    """One value of preprocessor_config.json; the pixels stay the same."""
    return Fix.advise(
        f"In preprocessor_config.json (or processor_config.json) of {folder} change the value of "
        f"image_processor_type from {name} to Qwen2VLImageProcessor; nothing else changes."
    )
