"""What a check finds: data with evidence and fixes, never prose glued together."""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec


class Outcome(enum.Enum):
    """What became of a check."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    BLOCKED = "blocked"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    WAIVED = "waived"

    @property
    def judged(self) -> bool:
        """Whether the check reached a verdict on facts that exist."""
        return self in (Outcome.PASS, Outcome.FAIL, Outcome.WAIVED)


class Severity(enum.Enum):
    """The consequence for the user's work, worst first; silent wrong output ranks highest."""

    WRONG_ANSWERS = "wrong-answers"
    WILL_NOT_START = "will-not-start"
    OUT_OF_MEMORY = "out-of-memory"
    SLOW = "slow"
    HYGIENE = "hygiene"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Confidence(enum.Enum):
    """How a finding is known, strongest first."""

    MEASURED = "measured"
    DERIVED = "derived"
    REPORTED = "reported"
    HEURISTIC = "heuristic"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Confidence).index(self)


class Safety(enum.Enum):
    """What applying a fix can cost."""

    SAFE = "safe"
    """Cannot change answers or break a working program."""
    REVIEW = "review"
    """Changes versions or behaviour: read it before applying."""
    RISKY = "risky"
    """May degrade answers or break something else; a last resort."""


class Fix(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to do. The field named by ``kind`` holds it; build one with the class methods.

    ``safety`` and ``verified`` have no default here, so that every saved fix says them.
    """

    kind: Literal["command", "code", "setting", "advice"]
    summary: str
    """One sentence: what this does."""
    command: tuple[str, ...] | None = None
    """An argv, for the interpreter that it names."""
    code: str | None = None
    setting: str | None = None
    """``NAME=value`` for the environment, set before Python starts."""
    advice: str | None = None
    safety: Safety
    verified: bool
    """Whether a measurement in this run showed the cure."""
    verification: str | None = None
    """The measurement that shows the cure, when ``verified``."""

    def __post_init__(self) -> None:
        if getattr(self, self.kind) is None:
            raise ValueError(f"a fix of kind {self.kind!r} needs its field {self.kind!r}")
        if self.verified and not self.verification:
            raise ValueError("a verified fix names the measurement that verified it")

    @classmethod
    def run(cls, *argv: str, summary: str, safety: Safety = Safety.REVIEW) -> Fix:
        """A command for the target's interpreter; never verified before it is run."""
        return cls(kind="command", command=argv, summary=summary, safety=safety, verified=False)

    @classmethod
    def edit(
        cls, code: str, *, summary: str, safety: Safety = Safety.SAFE, verification: str = ""
    ) -> Fix:
        """A change to the user's code; ``verification`` names the measurement that proved it."""
        return cls(
            kind="code",
            code=code,
            summary=summary,
            safety=safety,
            verified=bool(verification),
            verification=verification or None,
        )

    @classmethod
    def environment(cls, setting: str, *, summary: str, safety: Safety = Safety.REVIEW) -> Fix:
        """An environment variable as ``NAME=value``."""
        return cls(kind="setting", setting=setting, summary=summary, safety=safety, verified=False)

    @classmethod
    def advise(cls, advice: str, *, safety: Safety = Safety.SAFE) -> Fix:
        """Something that only a person can do."""
        return cls(kind="advice", advice=advice, summary=advice, safety=safety, verified=False)


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line or one group of bars."""

    name: str
    points: tuple[tuple[float | str, float | None], ...]
    """(x, y); y is None where the value is not finite or was not measured."""
    emphasis: Literal["normal", "bad", "good"] = "normal"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of measurements, as data; renderers draw it or print it as a table."""

    kind: Literal["line", "bar", "area"]
    """``area``: stacked amounts over numbers, with what was too much on top at its x."""
    title: str
    x: str
    """Label of the x axis, with its unit."""
    y: str
    """Label of the y axis, with its unit."""
    series: tuple[Series, ...]
    stacked: bool = False
    """Bars: those of one x value lie end to end, so that their sum meets the threshold."""
    log_x: bool = False
    log_y: bool = False
    threshold: float | None = None
    """A horizontal line: the limit that the check judged by."""
    threshold_label: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check on one set of facts."""

    id: str
    outcome: Outcome
    severity: Severity
    confidence: Confidence
    title: str
    """One sentence: what was found here."""
    cause: str
    """Why, in plain words; for an unjudged check, why it could not be judged."""
    evidence: dict[str, Any]
    fixes: tuple[Fix, ...] = ()
    explains: tuple[str, ...] = ()
    """Ids of the findings that are symptoms of this one."""
    charts: tuple[Chart, ...] = ()


class Unchecked(msgspec.Struct, frozen=True, kw_only=True):
    """A check that reached no verdict, and why."""

    id: str
    outcome: Outcome
    reason: str
