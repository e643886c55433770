"""How each GPU fares under load, all of them at once."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class LoadedGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, as torch numbers it, while it multiplied matrices; None: not readable."""

    index: int
    tflops: float | None = None
    """float16 products of square matrices; median over batches."""
    host_gb_per_s: float | None = None
    """From pinned main memory, while the other GPUs receive too."""
    readings: int = 0
    sm_clock_mhz: int | None = None
    """Median."""
    temperature_c: int | None = None
    """Highest; likewise power and link."""
    power_mw: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    throttle_shares: dict[str, float] | None = None
    """Bit of nvmlClocksEventReasons -> share of the readings in which it was set."""
    unread: str = ""
    """Why the driver told nothing about this card."""


class LoadFacts(Facts):
    """Every GPU that torch sees."""

    probe: ClassVar[str] = "devices.load"
    reason: str = ""
    """Why nothing was loaded at all."""
    seconds: float = 0.0
    size: int = 0
    """Rows and columns of the matrices."""
    gpus: tuple[LoadedGpu, ...] = ()

    def gpu(self, index: int) -> LoadedGpu | None:
        """The row of ``cuda:index``."""
        return next((gpu for gpu in self.gpus if gpu.index == index), None)


LOAD = Probe(
    id="devices.load",
    title="watches the GPUs under a short load",
    facts=LoadFacts,
    entry="qvl_checks.devices.load_probe:run",
    budget_s=60,
    level=Level.STANDARD,
    imports=("torch",),
    inputs=("devices.torch",),
    gpu=True,
)
