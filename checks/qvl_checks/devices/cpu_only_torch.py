"""A torch without CUDA on a machine, or for a workload, with a GPU."""

from __future__ import annotations

from qvl_checks.devices.cuda_drivers import index_for
from qvl_checks.devices.gpu_presence import without_gpu
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, passed


@check("devices.cpu-only-torch")
def cpu_only_torch(
    torch: TorchFacts,
    nvml: NvmlFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    host: HostFacts | None,
) -> Judgement:
    """The build of torch against the cards that the driver sees and the stated workload."""
    evidence = {
        "torch": torch.version,
        "built_for_cuda": torch.cuda,
        "built_for_rocm": torch.hip,
        "gpus": [gpu.name for gpu in nvml.devices],
    }
    if torch.cuda_built or torch.hip:
        return passed(
            f"torch {torch.version} is built for "
            + (f"CUDA {torch.cuda}" if torch.cuda else f"ROCm {torch.hip}"),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    wish = _needs_gpu(workload)
    absence = without_gpu(nvml, host)
    if absence is not None and not wish:
        return absence
    index = index_for(nvml.driver_version)
    reason = (
        f"The driver sees {len(nvml.devices)} GPU(s), and this build can use none of them."
        if absence is None
        else f"The workload asks for a GPU ({wish}), and this build can use none."
    )
    return failed(
        f"torch {torch.version} is built without CUDA",
        reason,
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install(
                    "--force-reinstall",
                    "torch",
                    "torchvision",
                    *(("--index-url", index) if index else ()),
                ),
                summary="replaces it by the CUDA build for this driver; compiled packages follow",
            )
        ],
        explains=("attention.flash-attention-on-cpu",),
    )


def _needs_gpu(workload: WorkloadFacts) -> str:
    """What in the workload only a GPU can give; empty when nothing does."""
    if (workload.attention or "").startswith("flash_attention"):
        return workload.attention or ""
    if (workload.device_map or "").startswith("cuda"):
        return f"device_map={workload.device_map}"
    return "a memory cap for the GPU" if workload.cap_bytes is not None else ""
