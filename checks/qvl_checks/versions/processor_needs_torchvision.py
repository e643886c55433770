"""AutoProcessor of this transformers cannot be built without torchvision."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.torch_builds import install_torchvision
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

SINCE = Version("4.52.0")
"""The first release whose Qwen-VL processors contain a video processor of their own, which is
written with torchvision."""


@check("versions.processor-needs-torchvision")
def processor_needs_torchvision(
    packages: PackagesFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Whether ``import torchvision`` finds something; whether it works is another rule's."""
    if not model.class_name:
        return not_applicable(f"{model.name} is of no known Qwen-VL family")
    transformers = packages.version("transformers")
    if transformers is None:
        return blocked("transformers is not installed, or its version cannot be read")
    evidence = {
        "transformers": str(transformers),
        "torchvision": packages.installed.get("torchvision"),
    }
    if Version(transformers.base_version) < SINCE:
        return not_applicable(
            f"the processors of transformers {transformers} do without torchvision",
            evidence=evidence,
        )
    if "torchvision" in packages.modules:
        return passed(
            "torchvision, which the processor needs, is installed",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"AutoProcessor of transformers {transformers} needs torchvision, which is not installed",
        "The processor of this family contains a video processor that is written with torchvision, "
        "and builds it even when only still images are used.",
        evidence=evidence,
        fixes=[install_torchvision(target, packages.installed.get("torch"))],
        explains=("video.video-processor-missing",),
    )
