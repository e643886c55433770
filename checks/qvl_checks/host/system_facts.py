"""Facts about the machine; no rule of its own, others build on it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class CgroupLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the control group grants; None where it sets no limit."""

    version: int
    memory_limit_bytes: int | None = None
    memory_used_bytes: int | None = None
    cpus: float | None = None
    """CPU quota divided by its period."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """The file system behind one folder."""

    purpose: str
    path: str
    exists: bool = False
    """The folder itself; the space is that of its nearest existing parent."""
    free_bytes: int | None = None
    total_bytes: int | None = None
    writable: bool | None = None
    reason: str = ""


class HostFacts(Facts):
    """The machine as a process of the target sees it; None: not readable, see ``unread``."""

    probe: ClassVar[str] = "host.system"
    system: str | None = None
    kernel: str | None = None
    distribution: str | None = None
    libc: str | None = None
    architecture: str | None = None
    cpu_model: str | None = None
    cpu_flags: tuple[str, ...] | None = None
    """Those instruction sets that CPU kernels ask for."""
    cpu_count: int | None = None
    cpu_affinity: int | None = None
    """Number of processors that this process may use."""
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    swap_free_bytes: int | None = None
    shared_memory_free_bytes: int | None = None
    cgroup: CgroupLimits | None = None
    container: str | None = None
    """The sign that this is a container; None when there is none."""
    wsl: bool | None = None
    nvidia_devices_on_bus: int | None = None
    """NVIDIA display controllers that the PCI bus shows, with or without a working driver."""
    iommu_groups_active: bool | None = None
    iommu_kernel_arguments: tuple[str, ...] | None = None
    disks: tuple[Disk, ...] = ()
    environment: dict[str, str] = {}
    """Allow-listed variables that were set when the doctor was started."""
    environment_set_by_doctor: tuple[str, ...] = ()
    """Overwritten for every child; the user's own value is not known."""
    unread: dict[str, str] = {}
    """Field -> why it could not be read."""

    @property
    def usable_memory_bytes(self) -> int | None:
        """Main memory that this process can have: the machine's, or less by its control group."""
        limit = self.cgroup.memory_limit_bytes if self.cgroup else None
        known = [size for size in (self.memory_total_bytes, limit) if size is not None]
        return min(known, default=None)


HOST_SYSTEM = Probe(
    id="host.system",
    title="reads system, memory, limits and environment",
    facts=HostFacts,
    entry="qvl_checks.host.system_probe:run",
    budget_s=10,
)
