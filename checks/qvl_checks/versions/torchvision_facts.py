"""Facts about torchvision beside the installed torch."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Probe


class TorchvisionFacts(Facts):
    """What importing torchvision and calling one compiled operator did."""

    probe: ClassVar[str] = "versions.torchvision"
    installed: bool
    status: str
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``absent``."""
    version: str | None = None
    file: str | None = None
    nms_right: bool | None = None
    """Non-maximum suppression of three boxes gave the known answer."""
    reason: str = ""
    chain: tuple[str, ...] = ()
    """The error and its causes, the root last."""
    signal: str = ""


VERSIONS_TORCHVISION = Probe(
    id="versions.torchvision",
    title="loads torchvision beside torch",
    facts=TorchvisionFacts,
    entry="qvl_checks.versions.torchvision_probe:run",
    budget_s=75,
    imports=("torch",),
)
