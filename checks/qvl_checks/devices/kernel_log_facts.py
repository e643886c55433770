"""The NVIDIA driver's errors in the kernel's log, where this user may read it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of error of one card."""

    address: str
    """On the PCI bus, without the function: ``0000:3b:00``."""
    number: int
    count: int
    last_s: float
    """Seconds after the machine was started."""


class KernelLogFacts(Facts):
    """What the log holds; it forgets its oldest lines."""

    probe: ClassVar[str] = "devices.kernel-log"
    readable: bool = False
    reason: str = ""
    xids: tuple[Xid, ...] = ()


KERNEL_LOG = Probe(
    id="devices.kernel-log",
    title="looks for the driver's errors in the kernel log",
    facts=KernelLogFacts,
    entry="qvl_checks.devices.kernel_log_probe:run",
    budget_s=10,
    where="doctor",
)
"""In the doctor's interpreter only because the log is the machine's, not the target's."""
