"""When a question about GPUs does not arise, and when it only seems so."""

from __future__ import annotations

from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.judgement import Judgement, blocked, not_applicable


def without_gpu(nvml: NvmlFacts | None, host: HostFacts | None) -> Judgement | None:
    """The judgement where the driver shows no card; None where it shows one.

    A card on the PCI bus without a working driver is no absence: the question stays open.
    """
    if nvml is not None and nvml.available and nvml.devices:
        return None
    on_bus = host.nvidia_devices_on_bus if host else None
    why = nvml.reason if nvml and not nvml.available else "the driver lists no device"
    if on_bus:
        return blocked(
            f"{on_bus} NVIDIA card(s) on the PCI bus, but the driver does not answer: {why}",
            evidence={"nvidia_devices_on_bus": on_bus, "nvml": why},
        )
    return not_applicable(f"no NVIDIA GPU here ({why})")


def without_torch_device(
    torch: TorchFacts, nvml: NvmlFacts | None, host: HostFacts | None
) -> Judgement | None:
    """The judgement where torch can use no GPU; None where it can."""
    if torch.devices:
        return None
    if torch.cuda_error:
        if host is not None and host.nvidia_devices_on_bus == 0:
            # A build for CUDA complains of the missing driver on every machine without a card.
            absence = without_gpu(nvml, host)
            if absence is not None:
                return absence
        return blocked(
            f"CUDA does not start in torch: {torch.cuda_error}",
            evidence={"cuda_error": torch.cuda_error},
        )
    if not torch.cuda_built and not torch.hip and nvml is not None and nvml.devices:
        return blocked("this torch is built without CUDA (devices.cpu-only-torch)")
    absence = without_gpu(nvml, host)
    return absence or blocked(
        "the driver shows a GPU, and torch sees none (CUDA_VISIBLE_DEVICES may hide it)",
        evidence={"device_count": torch.device_count},
    )
