"""Whether each GPU gives the same answer twice, and the same as its neighbours."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on one GPU, the same input every time."""

    runs: int = 0
    changed_runs: int = 0
    """Runs whose output differs in a bit from the first one's."""
    changed_elements: int = 0
    """Most elements that differed in one run."""
    elements: int = 0
    error: float | None = None
    """Relative L2 error of the first rows against float64; None when not finite."""
    tolerance: float = 0.0
    finite: bool = True
    digest: str = ""
    """Of the first output's bytes; equal bytes have equal digests."""
    reason: str = ""
    """Why it did not run."""

    @property
    def wrong(self) -> bool:
        """Whether it ran and its answer is further from the truth than rounding explains."""
        if self.reason:
            return False
        return not self.finite or self.error is None or self.error > self.tolerance


class GpuConsistency(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, as torch numbers it."""

    index: int
    status: str
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``not_run``."""
    reason: str = ""
    operations: dict[str, OperationResult] = {}

    @property
    def answered(self) -> bool:
        """Whether it computed anything."""
        return self.status == "ok" and any(not one.reason for one in self.operations.values())


class ConsistencyFacts(Facts):
    """Every GPU that torch sees."""

    probe: ClassVar[str] = "devices.consistency"
    reason: str = ""
    """Why nothing was computed at all."""
    size: int = 0
    """Rows and columns of the matrices; queries and keys of the attention."""
    gpus: tuple[GpuConsistency, ...] = ()


CONSISTENCY = Probe(
    id="devices.consistency",
    title="computes the same on every GPU, several times",
    facts=ConsistencyFacts,
    entry="qvl_checks.devices.consistency_probe:run",
    budget_s=120,
    level=Level.STANDARD,
    imports=("torch",),
    inputs=("devices.torch",),
    gpu=True,
)
