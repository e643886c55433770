"""From a text to a `Triage`: pure, no files, no network, no import of what it talks about."""

from __future__ import annotations

from .advice import ADVICE
from .clues import Clues
from .model import Confidence, Diagnosis, Environment, Triage
from .page import Page
from .ranking import rank
from .rule import Case, Hit, apply
from .rules import DETECTORS, RULES

EVIDENCE_LINES = 6


def diagnose(text: str, environment: Environment | None = None) -> Triage:
    """The causes that `text` points to, best first; ``recognised`` is false rather than a guess.

    `environment` adds what is known about the machine (package versions, GPUs, model type) where
    the text is silent. Any string is accepted; time and memory are linear in its length.
    """
    case = Case(Clues(Page(text), environment))
    hits = [hit for rule in RULES if (hit := apply(rule, case)) is not None]
    for detector in DETECTORS:
        hits.extend(detector(case))
    diagnoses = tuple(_diagnosis(hit, case) for hit in rank(hits))
    return Triage(bool(diagnoses), diagnoses)


def _diagnosis(hit: Hit, case: Case) -> Diagnosis:
    advice = ADVICE[hit.id]
    lines = sorted(dict.fromkeys(hit.lines))[:EVIDENCE_LINES]
    return Diagnosis(
        id=hit.id,
        confidence=_confidence(hit, advice.confidence),
        evidence=tuple(case.page.evidence(line) for line in lines if line < len(case.page.lines)),
        computed=hit.computed,
        explanation=" ".join([*hit.notes, advice.explanation]),
        fixes=(*hit.fixes, *advice.fixes),
        next_steps=advice.next_steps,
    )


def _confidence(hit: Hit, known: Confidence) -> Confidence:
    """Derived from a message or a computation; a mere symptom is a heuristic, and reported causes
    stay reported.
    """
    if hit.score < 70 or (not hit.by_message and not hit.computed):
        return "heuristic"
    return known
