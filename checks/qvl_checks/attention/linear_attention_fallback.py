"""attention.linear-attention-fallback: are the kernels of the linear-attention layers installed?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.checkpoint.gpus import cards
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

HYBRID = ("qwen3_5", "qwen3_5_moe", "qwen4_exp")
RULE_KERNELS, CONV_KERNELS = "flash-linear-attention", "causal-conv1d"
MODULES = {RULE_KERNELS: "fla", CONV_KERNELS: "causal_conv1d"}
SINGLY_SINCE = Version("5.15")
"""From here on each kernel is used by itself; before, both packages or none."""


@check("attention.linear-attention-fallback")
def linear_attention_fallback(
    model: ModelFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    torch: TorchFacts | None,
    nvml: NvmlFacts | None,
) -> Judgement:
    """Two packages, on a machine where they would be used."""
    if model.model_type not in HYBRID:
        return not_applicable(f"{model.family or model.name} has no linear-attention layers")
    found = cards(torch, nvml)
    if found is None:
        return blocked("neither torch nor the driver could say which GPUs there are")
    if not found:
        return not_applicable("there is no NVIDIA GPU, for which alone the kernels are made")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    missing = [
        name
        for name, module in MODULES.items()
        if module not in packages.modules or packages.modules[module].namespace
    ]
    evidence = {
        "transformers": str(release),
        "installed": {name: packages.installed.get(name) for name in MODULES},
        "missing": missing,
        "gpus": [str(card) for card in found],
    }
    if not missing:
        return passed(
            "The kernels of the linear-attention layers are installed",
            "Whether they import was not tried here.",
            evidence=evidence,
        )
    singly = Version(release.base_version) >= SINGLY_SINCE
    if singly and missing == [CONV_KERNELS]:
        return passed(
            f"{RULE_KERNELS} is installed, which brings most of the speed",
            f"{CONV_KERNELS} is missing; the short convolutions run in plain PyTorch.",
            evidence=evidence,
        )
    both = "" if singly else " This release uses them only if both are there."
    return failed(
        "The linear-attention layers run in plain PyTorch: "
        + " and ".join(missing)
        + (" are" if len(missing) > 1 else " is")
        + " not installed",
        "Three of four text layers are gated delta-rule layers. Without kernels a loop computes "
        f"them in float32: correct, slower, and with more memory in use.{both}",
        evidence=evidence,
        fixes=[_install(name, target) for name in missing],
    )


def _install(name: str, target: TargetFacts) -> Fix:
    if name == CONV_KERNELS:
        return Fix.run(
            *target.install(name, "--no-build-isolation"),
            summary="compiles the kernels; needs nvcc and the CUDA release of the installed torch",
        )
    return Fix.run(
        *target.install(name),
        summary="installs Triton kernels, no compiler needed; compare a few answers afterwards",
        safety=Safety.REVIEW,
    )
