"""The video processor of the family cannot be made, and with it no processor at all."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.torch_builds import install_torchvision
from qvl_checks.video.processor_facts import VideoProcessorFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

SNAPSHOT = "dev"
GOOD = "transformers>=4.57.1,<5"


@check("video.video-processor-missing")
def video_processor_missing(
    processor: VideoProcessorFacts, packages: PackagesFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Whether AutoVideoProcessor gives the class that the release maps the family to."""
    if not model.class_name:
        return not_applicable(f"{model.name} is of no known Qwen-VL family")
    if processor.separate is False:
        return not_applicable(
            f"transformers {processor.transformers} has no separate video processors"
        )
    made = processor.made
    if made is None:
        return blocked(f"the video processor could not be tried: {processor.reason}")
    evidence = {
        "transformers": processor.transformers,
        "family": model.model_type,
        "class": made.class_name or processor.class_name,
        "torchvision": packages.installed.get("torchvision"),
        "error": made.reason,
    }
    if made.status == "ok":
        return passed(
            f"the video processor {made.class_name} can be made",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if "torchvision" not in packages.modules:
        return failed(
            "The video processor cannot be made, because torchvision is not installed",
            "Video processors are written with torchvision, and AutoProcessor builds one even when "
            "only images are used.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[install_torchvision(target, packages.installed.get("torch"))],
        )
    if SNAPSHOT in processor.transformers:
        return failed(
            f"transformers {processor.transformers} is a development snapshot without a working "
            f"video processor for {model.family}",
            "Snapshots of 4.52 mapped Qwen2.5-VL to a class that was never written; the releases "
            "map it to Qwen2VLVideoProcessor.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[Fix.run(*target.install(GOOD), summary="installs a release instead")],
        )
    return inconclusive(
        f"the video processor cannot be made, for a reason that this rule does not know: "
        f"{' '.join(made.reason.split())[:160]}",
        evidence=evidence,
    )
