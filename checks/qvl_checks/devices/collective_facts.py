"""Whether NCCL can add up tensors over all GPUs."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class CollectiveSize(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one size of tensor."""

    bytes: int
    wrong_elements: int = 0
    """Over all rounds; whole numbers are added, so that every sum is exact."""
    seconds: float | None = None
    """The fastest round."""


class CollectiveRun(msgspec.Struct, frozen=True, kw_only=True):
    """One group of processes, one for each GPU."""

    status: str
    """``ok``, ``raised``, ``crashed`` or ``timed_out``."""
    reason: str = ""
    seconds: float = 0.0
    """The whole of it, with starting the processes."""
    environment: dict[str, str] = {}
    """Set on top of the user's."""
    sizes: tuple[CollectiveSize, ...] = ()

    @property
    def wrong_elements(self) -> int:
        """Over all sizes."""
        return sum(size.wrong_elements for size in self.sizes)

    @property
    def right(self) -> bool:
        """Whether it ended and every sum was right."""
        return self.status == "ok" and not self.wrong_elements


class CollectiveFacts(Facts):
    """As the user's environment has it, and, if that failed, without direct transfers."""

    probe: ClassVar[str] = "devices.collective"
    reason: str = ""
    """Why nothing was run."""
    gpus: int = 0
    nccl: str = ""
    """Its version, such as ``2.27.3``."""
    as_is: CollectiveRun | None = None
    without_peer_transfers: CollectiveRun | None = None


COLLECTIVE = Probe(
    id="devices.collective",
    title="lets NCCL add up tensors over all GPUs",
    facts=CollectiveFacts,
    entry="qvl_checks.devices.collective_probe:run",
    budget_s=180,
    level=Level.DEEP,
    imports=("torch",),
    inputs=("devices.torch",),
    gpu=True,
)
