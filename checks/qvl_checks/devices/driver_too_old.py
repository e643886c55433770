"""The driver is older than the CUDA release that torch was built with."""

from __future__ import annotations

from qvl_checks.devices.cuda_drivers import index_for, minimum_for, numbers
from qvl_checks.devices.gpu_presence import without_gpu
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

COMPLAINTS = ("driver on your system is too old", "driver version is insufficient")


@check("devices.driver-too-old")
def driver_too_old(
    torch: TorchFacts, nvml: NvmlFacts, target: TargetFacts, host: HostFacts | None
) -> Judgement:
    """A kernel that ran decides; else the versions do."""
    if torch.cuda is None:
        return not_applicable("this torch is built without CUDA")
    evidence = {
        "driver": nvml.driver_version,
        "driver_runs_cuda": nvml.cuda_version,
        "torch_built_for_cuda": torch.cuda,
        "cuda_error": torch.cuda_error,
    }
    if any(device.kernel_works for device in torch.devices):
        return passed(
            f"driver {nvml.driver_version} runs kernels of CUDA {torch.cuda}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    complaint = any(words in (torch.cuda_error or "").lower() for words in COMPLAINTS)
    absence = without_gpu(nvml, host)
    if absence is not None and not complaint:
        return absence
    minimum = minimum_for(torch.cuda)
    driver = numbers(nvml.driver_version or "")
    if not complaint and (minimum is None or not driver):
        return inconclusive(
            f"whether driver {nvml.driver_version} runs CUDA {torch.cuda} is not known here",
            evidence=evidence,
        )
    if complaint or (minimum is not None and driver < minimum):
        wanted = ".".join(map(str, minimum)) if minimum else "a newer one"
        index = index_for(nvml.driver_version)
        fixes = [Fix.advise(f"Install driver {wanted} or later (in a container: on the host).")]
        if index:
            fixes.insert(
                0,
                Fix.run(
                    *target.install(
                        "--force-reinstall", "torch", "torchvision", "--index-url", index
                    ),
                    summary="takes a torch build that the installed driver runs",
                ),
            )
        return failed(
            f"driver {nvml.driver_version} is too old for torch {torch.version}",
            f"This torch is built with CUDA {torch.cuda}, which needs driver {wanted} or later.",
            confidence=Confidence.MEASURED if complaint else Confidence.DERIVED,
            evidence=evidence,
            fixes=fixes,
        )
    return passed(
        f"driver {nvml.driver_version} is new enough for CUDA {torch.cuda}", evidence=evidence
    )
