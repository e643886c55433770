"""torch holds no machine code for a card that it is to use."""

from __future__ import annotations

from qvl_checks.devices.architectures import serves
from qvl_checks.devices.cuda_drivers import index_for
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

COMPLAINT = "no kernel image"


@check("devices.no-kernel-for-gpu")
def no_kernel_for_gpu(
    torch: TorchFacts,
    target: TargetFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """One kernel was run on every card; the list of architectures explains a failure."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    unserved = [device for device in torch.devices if _lacks_kernel(device, torch)]
    silent = [device for device in torch.devices if not device.kernel_works]
    evidence = {
        "architectures": list(torch.arch_list),
        "devices": {
            f"cuda:{device.index}": {
                "name": device.name,
                "capability": device.capability,
                "kernel_works": device.kernel_works,
                "error": device.unread.get("kernel_works", ""),
            }
            for device in torch.devices
        },
    }
    if unserved:
        device = unserved[0]
        capability = ".".join(map(str, device.capability or ()))
        index = index_for(nvml.driver_version if nvml else None)
        return failed(
            f"torch {torch.version} has no kernels for {device.name} "
            f"(compute capability {capability})",
            f"It was compiled for {', '.join(torch.arch_list) or 'an unknown list'}, which does "
            "not serve this card.",
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
                    summary="takes the newest builds that this driver runs; a card older than "
                    "Turing needs an older index (cu126)",
                )
            ],
        )
    if silent:
        reason = silent[0].unread.get("kernel_works", "it gave a wrong sum")
        return inconclusive(
            f"a kernel on cuda:{silent[0].index} failed for another reason: {reason}",
            evidence=evidence,
        )
    return passed(
        f"torch ran a kernel on each of {len(torch.devices)} GPU(s)",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _lacks_kernel(device: TorchDevice, torch: TorchFacts) -> bool:
    if device.kernel_works:
        return False
    if COMPLAINT in device.unread.get("kernel_works", "").lower():
        return True
    known = bool(torch.arch_list) and device.capability is not None
    return known and not serves(torch.arch_list, device.capability or (0, 0))
