"""What a probe is: code that runs in a child process and returns facts as plain JSON data."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec


class Level(enum.Enum):
    """What a run may cost."""

    QUICK = "quick"
    """Seconds; no GPU memory beyond a context."""
    STANDARD = "standard"
    """About a minute; under 2 GiB of GPU memory; no weights."""
    DEEP = "deep"
    """Minutes; the full-size model on the GPU."""

    @property
    def rank(self) -> int:
        """0 for the cheapest."""
        return list(Level).index(self)

    def includes(self, other: Level) -> bool:
        """Whether a run at this level does what ``other`` costs."""
        return other.rank <= self.rank


class Facts(msgspec.Struct):
    """Base of every fact type. ``probe`` is the id of the probe whose data it decodes.

    Unknown fields are ignored, so facts recorded by a newer probe stay readable.
    """

    probe: ClassVar[str] = ""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Static description of a probe; its code is imported only in the child process."""

    id: str
    """``topic.name``; the key of its facts in the record."""
    title: str
    """What it does, for the progress display: "compares attention implementations"."""
    facts: type[Facts]
    """The type that its data decodes to."""
    entry: str
    """``package.module:function``; the module imports only the standard library at module level
    (Python 3.9 and later) and the function maps a request (dict) to facts (dict)."""
    budget_s: float
    """Seconds after which it is killed."""
    level: Level = Level.QUICK
    where: Literal["target", "doctor"] = "target"
    """Whose interpreter runs it; "doctor" is for host facts that need the doctor's libraries."""
    imports: tuple[str, ...] = ()
    """Heavy modules that must be importable; they are imported once and shared by fork."""
    inputs: tuple[str, ...] = ()
    """Ids of probes whose facts it is handed, under ``request["inputs"]``."""
    gpu: bool = False
    """Whether it uses GPU memory beyond a context (such probes never run side by side)."""

    def __post_init__(self) -> None:
        if self.facts.probe != self.id:
            raise ValueError(
                f"{self.facts.__name__}.probe is {self.facts.probe!r}, expected {self.id!r}"
            )


RequestData = dict[str, Any]
"""What a probe function is called with: ``model``, ``workload``, ``level`` and ``inputs``."""
