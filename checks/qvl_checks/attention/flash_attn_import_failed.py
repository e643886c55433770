"""An installed flash-attn cannot be imported."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_files_facts import FlashAttnFilesFacts
from qvl_checks.attention.flash_attn_kernel_facts import FlashAttnKernelFacts, FlashModule
from qvl_checks.attention.flash_attn_wheels import installing, removing
from qvl_checks.attention.flash_attn_wish import wished_generation
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.import_outcome import headline
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed


@check("attention.flash-attn-import-failed")
def flash_attn_import_failed(
    kernel: FlashAttnKernelFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    packages: PackagesFacts,
    torch: TorchFacts | None,
    files: FlashAttnFilesFacts | None,
) -> Judgement:
    """The import was made in a fork, after torch; its end is the verdict."""
    if not kernel.installed:
        return not_applicable("flash-attn is not installed")
    broken = {
        name: module
        for name, module in kernel.modules.items()
        if module.status not in ("ok", "absent")
    }
    evidence = {
        "modules": {
            name: {"status": module.status, "version": module.version, "reason": module.reason}
            for name, module in kernel.modules.items()
            if module.status != "absent"
        },
        "torch": torch.version if torch else None,
    }
    if not broken:
        return passed(
            "flash-attn is imported",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    name, module = next(iter(broken.items()))
    without_cuda = torch is not None and not torch.cuda_built
    if without_cuda and wished_generation(workload) is None and not _dies(module):
        return not_applicable(
            "flash-attn cannot be imported by a torch without CUDA, and nothing asks for it",
            evidence=evidence,
        )
    return failed(
        f"importing {name} fails: {headline(_root(module))}",
        _why(module, without_cuda, files)
        + " transformers up to 4.53 imports an installed flash-attn with the model, so sdpa users "
        "are hit as well.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[*installing(target, torch), removing(target)],
        explains=("versions.transformers-import-failed",),
    )


def _root(module: FlashModule) -> str:
    return module.chain[-1] if module.chain else module.reason


def _dies(module: FlashModule) -> bool:
    return module.status in ("crashed", "timed_out")


def _why(module: FlashModule, without_cuda: bool, files: FlashAttnFilesFacts | None) -> str:
    root = _root(module)
    if _dies(module):
        return f"Its compiled part ends or blocks the process ({module.reason})."
    if "undefined symbol" in root:
        return "Its compiled part calls a function that no loaded library has."
    if "GLIBC_" in root:
        return "Its compiled part was built on a newer system than this one (GLIBC)."
    if "libcudart" in root:
        return "Its compiled part was built for another CUDA major than torch brings."
    if without_cuda:
        return "The installed torch is built without CUDA, which flash-attn needs."
    if "No module named 'flash_attn_2_cuda'" in root:
        compiled = [
            extension.name
            for distribution in (files.distributions.values() if files else ())
            for extension in distribution.extensions
        ]
        if compiled:
            return f"Its compiled part ({compiled[0]}) is made for another Python than this one."
        return "It was installed without its compiled part, or the build was interrupted."
    return "Its first error names the cause."
