"""torch's numbers of the GPUs and the driver's are different ones; the identifiers connect them."""

from __future__ import annotations

from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts


def uuid_of(torch: TorchFacts, index: int) -> str | None:
    """Identifier of ``cuda:index``, without NVML's ``GPU-`` in front."""
    for device in torch.devices:
        if device.index == index:
            return (device.uuid or "").removeprefix("GPU-") or None
    return None


def gpu_of(torch: TorchFacts, nvml: NvmlFacts | None, index: int) -> Gpu | None:
    """What the driver says about ``cuda:index``; None where it cannot be told which card it is."""
    uuid = uuid_of(torch, index)
    for gpu in nvml.devices if nvml is not None else ():
        if uuid and gpu.uuid and gpu.uuid.removeprefix("GPU-") == uuid:
            return gpu
    return None
