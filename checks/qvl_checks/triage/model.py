"""The answer of a triage, as typed data.

`Triage` is what `diagnose` returns and what ``--json`` prints; nothing in it knows how it will
be shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

FixKind = Literal["command", "code", "setting", "advice"]
Safety = Literal["safe", "review", "risky"]
Confidence = Literal["derived", "reported", "heuristic"]

#: A JSON scalar or a list of them: all that a computed fact may be.
Computed = str | int | float | bool | list[str] | list[int]


class Fix(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do about a cause.

    `text` is the command, code, setting or sentence itself; `note` says when it applies or what
    it costs.
    """

    kind: FixKind
    text: str
    safety: Safety = "review"
    note: str = ""


class Environment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known about the machine that the text comes from, beyond the text itself.

    Every field is optional; a value named in the text wins over one given here.
    """

    python: str | None = None
    packages: dict[str, str] = {}
    gpus: tuple[str, ...] = ()
    model_type: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What examining the machine says about a diagnosis.

    `check` is the id that settled it (None: no check could), `title` its finding, `reason` the
    finding's cause or why nothing could be settled.
    """

    status: Literal["confirmed", "refuted", "not-checkable"]
    title: str
    reason: str
    check: str | None = None


class Diagnosis(msgspec.Struct, frozen=True):
    """One cause, with the lines that led to it and what was computed from them.

    `verdict` is only there after an examination.
    """

    id: str
    confidence: Confidence
    evidence: tuple[str, ...]
    computed: dict[str, Computed]
    explanation: str
    fixes: tuple[Fix, ...]
    next_steps: tuple[str, ...] = ()
    verdict: Verdict | msgspec.UnsetType = msgspec.UNSET


class Triage(msgspec.Struct, frozen=True):
    """The causes found in a text, best first; none of them means "not recognised"."""

    recognised: bool
    diagnoses: tuple[Diagnosis, ...] = ()
