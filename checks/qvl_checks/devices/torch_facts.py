"""Facts about the installed torch: its build, and the devices that it can use."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class TorchDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device as torch numbers it; None: not readable, see ``unread``."""

    index: int
    name: str | None = None
    uuid: str | None = None
    capability: tuple[int, int] | None = None
    multiprocessors: int | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    """After this process opened its context."""
    bf16_native: bool | None = None
    """bfloat16 arithmetic in hardware (compute capability 8.0 and later)."""
    bf16_works: bool | None = None
    """A bfloat16 matrix product was computed, natively or emulated."""
    kernel_works: bool | None = None
    """One float32 kernel ran and was right."""
    unread: dict[str, str] = {}


class TorchFacts(Facts):
    """The installed torch as it describes itself; None: not readable, see ``unread``."""

    probe: ClassVar[str] = "devices.torch"
    version: str | None = None
    file: str | None = None
    cuda: str | None = None
    """CUDA release that it was built with, such as "12.8"; None for a build without CUDA."""
    hip: str | None = None
    cudnn: int | None = None
    cxx11_abi: bool | None = None
    """Whether it was built with the C++11 ABI of libstdc++."""
    cuda_built: bool | None = None
    mps_available: bool | None = None
    numpy_bridge: bool | None = None
    """An array became a tensor; None with a reason when that raised."""
    numpy_version: str | None = None
    arch_list: tuple[str, ...] = ()
    """GPU architectures of its kernels: ``sm_80`` (machine code), ``compute_90`` (PTX)."""
    cuda_started_by_imports: bool | None = None
    """CUDA was running in the process that had done nothing but the heavy imports."""
    device_count: int | None = None
    devices: tuple[TorchDevice, ...] = ()
    cuda_error: str | None = None
    """What CUDA said when it could not be initialised."""
    context_bytes: int | None = None
    """GPU memory that one process takes before its first tensor, measured on device 0."""
    unread: dict[str, str] = {}

    @property
    def release(self) -> tuple[int, int] | None:
        """(2, 13) for 2.13.0+cpu."""
        parts = (self.version or "").split("+")[0].split(".")
        if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
            return None
        return int(parts[0]), int(parts[1])


DEVICES_TORCH = Probe(
    id="devices.torch",
    title="asks torch what it was built for and which devices it sees",
    facts=TorchFacts,
    entry="qvl_checks.devices.torch_probe:run",
    budget_s=60,
    imports=("torch",),
)
