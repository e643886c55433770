"""torchvision does not work with the installed torch."""

from __future__ import annotations

from qvl_checks.versions.dependency_pins_violated import only_asked_by
from qvl_checks.versions.import_outcome import headline
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.torch_builds import (
    build_tag,
    install_torchvision,
    matching_torchvision,
    release,
)
from qvl_checks.versions.torchvision_facts import TorchvisionFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

EXPLAINS = (
    "versions.transformers-import-failed",
    "versions.processor-needs-torchvision",
    "video.video-processor-missing",
)


@check("versions.torchvision-mismatch")
def torchvision_mismatch(
    torchvision: TorchvisionFacts, packages: PackagesFacts, target: TargetFacts
) -> Judgement:
    """The import and one compiled operator decide; versions only explain."""
    if not torchvision.installed:
        return not_applicable("torchvision is not installed")
    torch_version = packages.installed.get("torch")
    own_version = packages.installed.get("torchvision") or torchvision.version
    evidence = {
        "torch": torch_version,
        "torchvision": own_version,
        "fits_this_torch": matching_torchvision(torch_version),
        "torch_build": build_tag(torch_version),
        "torchvision_build": build_tag(own_version),
        "error": torchvision.reason,
    }
    if torchvision.status == "ok" and torchvision.nms_right:
        return passed(
            f"torchvision {own_version} works with torch {torch_version}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    root = torchvision.chain[-1] if torchvision.chain else torchvision.reason
    pins_are_its_own = only_asked_by("torchvision", packages, target)
    what = root or "a compiled operator gave a wrong answer"
    return failed(
        f"torchvision {own_version} does not work with torch {torch_version}: {headline(what)}",
        _why(torch_version, own_version),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[install_torchvision(target, torch_version)],
        explains=(
            *EXPLAINS,
            *(("versions.dependency-pins-violated",) if pins_are_its_own else ()),
        ),
    )


def _why(torch_version: str | None, own_version: str | None) -> str:
    torch_release, own_release = release(torch_version), release(own_version)
    wanted = matching_torchvision(torch_version)
    if wanted and own_release and f"{own_release[0]}.{own_release[1]}.*" != wanted:
        return f"torch {torch_version} goes with torchvision {wanted}, not {own_version}."
    if torch_release and build_tag(torch_version) != build_tag(own_version):
        return (
            "The release numbers fit, but the two come from different builds (for example one for "
            "the CPU and one for CUDA), so the compiled operators are not registered."
        )
    return "Its compiled part was built against another torch than the one installed."
