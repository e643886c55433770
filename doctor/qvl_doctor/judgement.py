"""What a check function returns, and the words to say it with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from qvl_doctor.findings import Chart, Confidence, Fix, Outcome


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on the declared facts; the engine adds the rule's id and severity."""

    outcome: Outcome
    title: str
    cause: str
    confidence: Confidence = Confidence.DERIVED
    evidence: dict[str, Any] = {}
    fixes: tuple[Fix, ...] = ()
    explains: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()


def passed(
    title: str,
    cause: str = "",
    *,
    confidence: Confidence = Confidence.DERIVED,
    evidence: dict[str, Any] | None = None,
    fixes: Iterable[Fix] = (),
    charts: Iterable[Chart] = (),
) -> Judgement:
    """The facts were there and are in order."""
    return Judgement(
        outcome=Outcome.PASS,
        title=title,
        cause=cause,
        confidence=confidence,
        evidence=evidence or {},
        fixes=tuple(fixes),
        charts=tuple(charts),
    )


def failed(
    title: str,
    cause: str,
    *,
    confidence: Confidence = Confidence.DERIVED,
    evidence: dict[str, Any] | None = None,
    fixes: Iterable[Fix] = (),
    explains: Iterable[str] = (),
    charts: Iterable[Chart] = (),
) -> Judgement:
    """The facts show the failure; ``explains`` names findings that are symptoms of it."""
    return Judgement(
        outcome=Outcome.FAIL,
        title=title,
        cause=cause,
        confidence=confidence,
        evidence=evidence or {},
        fixes=tuple(fixes),
        explains=tuple(explains),
        charts=tuple(charts),
    )


def not_applicable(reason: str, *, evidence: dict[str, Any] | None = None) -> Judgement:
    """The question does not arise here (no GPU at all, another model family, ...)."""
    return Judgement(
        outcome=Outcome.NOT_APPLICABLE, title=reason, cause=reason, evidence=evidence or {}
    )


def blocked(
    reason: str, *, evidence: dict[str, Any] | None = None, fixes: Iterable[Fix] = ()
) -> Judgement:
    """Something else must be mended first; ``reason`` names it."""
    return Judgement(
        outcome=Outcome.BLOCKED,
        title=reason,
        cause=reason,
        evidence=evidence or {},
        fixes=tuple(fixes),
    )


def inconclusive(reason: str, *, evidence: dict[str, Any] | None = None) -> Judgement:
    """It was measured, and the measurement does not decide."""
    return Judgement(
        outcome=Outcome.INCONCLUSIVE, title=reason, cause=reason, evidence=evidence or {}
    )
