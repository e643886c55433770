"""Facts that the NVIDIA driver gives about every card of the machine."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds memory of a card."""

    pid: int
    used_bytes: int | None = None
    name: str | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One card; None: not readable, see ``unread``."""

    index: int
    """NVML's numbering (PCI order), not CUDA's."""
    name: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    total_bytes: int | None = None
    used_bytes: int | None = None
    free_bytes: int | None = None
    reserved_bytes: int | None = None
    capability: tuple[int, int] | None = None
    temperature_c: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    power_limit_default_watts: float | None = None
    throttle_reasons: tuple[str, ...] | None = None
    sm_clock_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    utilization_percent: int | None = None
    ecc_enabled: bool | None = None
    ecc_uncorrected_errors: int | None = None
    """Since the driver was loaded."""
    ecc_uncorrected_errors_ever: int | None = None
    """In the card's life."""
    rows_remapped: int | None = None
    """Rows of memory replaced by spare ones after uncorrectable errors (Ampere and later)."""
    row_remap_pending: bool | None = None
    """A row is to be replaced at the next reset; until then it is used."""
    row_remap_failed: bool | None = None
    pages_retired: int | None = None
    """Pages of memory withdrawn after uncorrectable errors (before Ampere)."""
    page_retirement_pending: bool | None = None
    pcie_generation: int | None = None
    """Now; a card at rest may have lowered it."""
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    mig_enabled: bool | None = None
    compute_mode: int | None = None
    """0: shared; 1 to 3: exclusive or prohibited."""
    processes: tuple[GpuProcess, ...] | None = None
    unread: dict[str, str] = {}


class NvmlFacts(Facts):
    """The driver and its cards; ``available`` is False where there is no NVML library or driver."""

    probe: ClassVar[str] = "devices.nvml"
    available: bool
    reason: str = ""
    driver_version: str | None = None
    cuda_version: str | None = None
    """The newest CUDA release that this driver runs, such as "12.8"."""
    device_count: int | None = None
    devices: tuple[Gpu, ...] = ()
    unread: dict[str, str] = {}


DEVICES_NVML = Probe(
    id="devices.nvml",
    title="asks the NVIDIA driver about the GPUs",
    facts=NvmlFacts,
    entry="qvl_checks.devices.nvml_probe:run",
    budget_s=20,
    where="doctor",
)
