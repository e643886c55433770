"""The installed flash-attn calls functions that the installed torch does not have."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_files_facts import (
    FlashAttnFilesFacts,
    FlashDistribution,
    FlashExtension,
)
from qvl_checks.attention.flash_attn_wheels import installing, removing
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

CUDA_NAMESPACE = "4cuda"
"""In mangled names: functions that only a CUDA build of torch has."""
SHOWN = 5


@check("attention.flash-attn-abi-mismatch")
def flash_attn_abi_mismatch(
    files: FlashAttnFilesFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    torch: TorchFacts | None,
) -> Judgement:
    """Every function of torch that the extension needs, looked up in torch's own libraries."""
    if not files.distributions:
        return not_applicable("flash-attn is not installed")
    extensions = [
        (distribution, extension)
        for distribution in files.distributions.values()
        for extension in distribution.extensions
        if extension.readable
    ]
    if not extensions:
        return not_applicable("flash-attn is installed without a compiled part that can be read")
    if not files.torch_libraries:
        return blocked("torch's libraries were not found, so nothing can be compared")
    evidence = {
        "torch": packages.installed.get("torch"),
        "torch_cxx11_abi": files.torch_cxx11_abi,
        "extensions": {
            extension.name: {
                "built_for": distribution.tag,
                "cxx11_abi": extension.cxx11_abi,
                "cuda": extension.cudart_major,
                "torch_functions_needed": extension.torch_symbols,
                "missing": extension.missing_count,
                "examples": list(extension.missing or ())[:SHOWN],
            }
            for distribution, extension in extensions
        },
    }
    for distribution, extension in extensions:
        missing = _foreign(extension)
        if missing:
            return failed(
                f"flash-attn cannot be loaded by this torch: {extension.name} needs "
                f"{len(missing)} function(s) that torch does not export",
                _why(distribution, extension, files, packages.installed.get("torch", "")),
                confidence=Confidence.MEASURED,
                evidence={**evidence, "first_missing": missing[0]},
                fixes=[*installing(target, torch), removing(target)],
                explains=(
                    "attention.flash-attn-import-failed",
                    "versions.transformers-import-failed",
                ),
            )
    if any(extension.absent_libraries for _, extension in extensions):
        return not_applicable(
            "this torch is built without CUDA, so flash-attn has nothing to run on",
            evidence=evidence,
        )
    return passed(
        "torch exports every function that flash-attn needs",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _foreign(extension: FlashExtension) -> list[str]:
    """Missing functions, without those that a torch without CUDA cannot have."""
    cuda_less = bool(extension.absent_libraries)
    return [name for name in extension.missing or () if not (cuda_less and CUDA_NAMESPACE in name)]


def _why(
    distribution: FlashDistribution,
    extension: FlashExtension,
    files: FlashAttnFilesFacts,
    torch: str,
) -> str:
    words = {True: "the C++11 ABI", False: "the old C++ ABI"}
    wanted, offered = extension.cxx11_abi, files.torch_cxx11_abi
    if wanted is not None and offered is not None and wanted != offered:
        return (
            f"It was built for a torch with {words[wanted]}, and torch {torch} is built with "
            f"{words[offered]}."
        )
    if distribution.tag_torch and not torch.startswith(distribution.tag_torch + "."):
        return f"It was built for torch {distribution.tag_torch}, and torch {torch} is installed."
    return f"It was built against another torch than the installed {torch}."
