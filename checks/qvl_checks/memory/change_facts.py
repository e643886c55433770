"""Facts of changes to the workload: what is predicted of them, and how their runs ended."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from qvl_checks.memory.predicted_facts import Device
from qvl_checks.memory.run_facts import RunFacts
from qvl_doctor.probe import Facts, Level, Probe


class Run(RunFacts):
    """One run of the changed workload."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A change and its prediction."""

    name: str
    changes: dict[str, Any]
    """Fields of the workload, and those that `qvl_checks.memory.workload_run` adds."""
    fits: bool | None
    """None: not predictable."""
    reason: str = ""
    """Why not."""
    devices: tuple[Device, ...] = ()


class SquareImage(msgspec.Struct, frozen=True, kw_only=True):
    """The largest square image that is predicted to fit in the place of every stated one."""

    side: int
    """Pixels."""
    unit: int
    """Pixels by which a side grows."""
    images: int
    at_the_limit: bool
    """The processor makes no larger ones."""
    devices: tuple[Device, ...] = ()


class CandidatesFacts(Facts):
    """What a search by prediction found."""

    probe: ClassVar[str] = "memory.candidates"
    status: Literal["searched", "not_run"]
    obstacle: str = ""
    reason: str = ""
    candidates: tuple[Candidate, ...] = ()
    """Smallest change first."""
    largest_image: SquareImage | None = None
    notes: tuple[str, ...] = ()
    """What was not searched to its end, and why."""

    def of(self, name: str) -> Candidate | None:
        """The candidate of this name."""
        return next((one for one in self.candidates if one.name == name), None)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A change and its run."""

    name: str
    changes: dict[str, Any]
    run: Run


class FixesFacts(Facts):
    """How the changed workloads' runs ended, each in a process of its own."""

    probe: ClassVar[str] = "memory.fixes"
    status: Literal["tried", "not_run"]
    reason: str = ""
    runs: tuple[Trial, ...] = ()


class SideRun(msgspec.Struct, frozen=True, kw_only=True):
    """The workload with square images of one side."""

    side: int
    run: Run


class LargestImageFacts(Facts):
    """Runs on either side of the largest square image."""

    probe: ClassVar[str] = "memory.largest_image"
    status: Literal["tried", "not_run"]
    reason: str = ""
    predicted_side: int | None = None
    unit: int = 0
    images: int = 1
    at_the_limit: bool = False
    fits_side: int | None = None
    """The largest that ran."""
    fails_side: int | None = None
    """The smallest that did not fit."""
    runs: tuple[SideRun, ...] = ()

    @property
    def steps_off(self) -> int | None:
        """By how many steps of a side the prediction misses the measured limit; None: the runs do
        not show where that is."""
        known = self.fails_side is not None or self.at_the_limit
        if self.fits_side is None or self.predicted_side is None or not known:
            return None
        return (self.predicted_side - self.fits_side) // self.unit


CANDIDATES = Probe(
    id="memory.candidates",
    title="searches for what makes the workload fit",
    facts=CandidatesFacts,
    entry="qvl_checks.memory.candidates_probe:run",
    budget_s=320,
    level=Level.DEEP,
    imports=("torch", "model"),
    inputs=("devices.torch", "memory.as_stated"),
)
FIXES = Probe(
    id="memory.fixes",
    title="runs what should make the workload fit",
    facts=FixesFacts,
    entry="qvl_checks.memory.fixes_probe:run",
    budget_s=330,
    level=Level.DEEP,
    imports=("torch", "model"),
    inputs=("devices.torch", "memory.as_stated", "memory.candidates"),
    gpu=True,
)
LARGEST_IMAGE = Probe(
    id="memory.largest_image",
    title="runs the largest image that should fit, and the next one",
    facts=LargestImageFacts,
    entry="qvl_checks.memory.largest_image_probe:run",
    budget_s=200,
    level=Level.DEEP,
    imports=("torch", "model"),
    inputs=("devices.torch", "memory.candidates"),
    gpu=True,
)
