"""The GPUs that a model of the examined interpreter could run on."""

from __future__ import annotations

from typing import NamedTuple

from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts


class Card(NamedTuple):
    """One NVIDIA GPU."""

    name: str
    capability: tuple[int, int]
    free_bytes: int | None

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.capability[0]}.{self.capability[1]})"


def cards(torch: TorchFacts | None, nvml: NvmlFacts | None) -> tuple[Card, ...] | None:
    """As torch sees them, else as the driver does; None: not known, empty: there is none."""
    if torch is not None and torch.hip:
        return ()  # its capability is not NVIDIA's
    if torch is not None and torch.device_count is not None:
        return _cards(torch.devices)
    return _cards(nvml.devices) if nvml is not None else None


def _cards(devices: tuple[TorchDevice, ...] | tuple[Gpu, ...]) -> tuple[Card, ...]:
    return tuple(
        Card(device.name or f"GPU {device.index}", device.capability, device.free_bytes)
        for device in devices
        if device.capability is not None
    )
