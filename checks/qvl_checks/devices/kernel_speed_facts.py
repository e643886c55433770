"""How operations with a known slow path compare with their alternatives here."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class KernelRatio(msgspec.Struct, frozen=True, kw_only=True):
    """One operation beside one that computes the same, in turns on one GPU."""

    name: str
    """``conv3d``, ``gqa prefill``, ``gqa decode`` or ``bfloat16``."""
    gpu: int
    """As torch numbers it."""
    dtype: str = ""
    status: str = "ok"
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``not_run``."""
    reason: str = ""
    shape: str = ""
    rounds: int = 0
    seconds: float | None = None
    """Median of the operation."""
    alternative_seconds: float | None = None
    peak_bytes: int | None = None
    """What the operation holds at the worst moment, its result included."""
    alternative_peak_bytes: int | None = None
    difference: float | None = None
    """Relative L2 distance of the two results; None when not finite."""

    @property
    def ratio(self) -> float | None:
        """How many times as long as its alternative it takes."""
        if not self.seconds or not self.alternative_seconds:
            return None
        return self.seconds / self.alternative_seconds

    def row(self) -> dict[str, object]:
        """For the evidence of a finding."""
        times = (self.seconds, self.alternative_seconds)
        shown = [None if one is None else round(one * 1e3, 4) for one in times]
        return {
            "shape": self.shape,
            "dtype": self.dtype,
            "ms": shown[0],
            "ms of the alternative": shown[1],
            "ratio": None if self.ratio is None else round(self.ratio, 2),
            "peak bytes": self.peak_bytes,
            "peak bytes of the alternative": self.alternative_peak_bytes,
            "difference": self.difference,
            "not measured because": self.reason or None,
        }


class KernelSpeedFacts(Facts):
    """One GPU of each kind that torch sees."""

    probe: ClassVar[str] = "devices.kernel-speed"
    reason: str = ""
    """Why nothing was measured at all."""
    ratios: tuple[KernelRatio, ...] = ()

    def of(self, name: str) -> tuple[KernelRatio, ...]:
        """The rows of one operation, one for each kind of GPU."""
        return tuple(ratio for ratio in self.ratios if ratio.name == name)

    def evidence(self, *names: str) -> dict[str, object]:
        """Their rows, by operation and GPU."""
        return {
            f"{ratio.name} on cuda:{ratio.gpu}": ratio.row()
            for name in names
            for ratio in self.of(name)
        }


KERNEL_SPEED = Probe(
    id="devices.kernel-speed",
    title="times kernels that have a slow path against their alternatives",
    facts=KernelSpeedFacts,
    entry="qvl_checks.devices.kernel_speed_probe:run",
    budget_s=90,
    level=Level.STANDARD,
    imports=("torch",),
    inputs=("devices.torch",),
    gpu=True,
)
