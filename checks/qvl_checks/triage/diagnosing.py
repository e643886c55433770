"""From a text to a `Triage`: pure, no files, no network, no import of what it talks about."""

from __future__ import annotations

from . import chinese
from .admission import admits
from .advice import ADVICE
from .clues import Clues
from .language import Language, Wanted, language_of
from .likeness import likeness
from .mending import MOST_CHARACTERS, readings
from .model import Confidence, Diagnosis, Environment, Triage
from .page import Page
from .ranking import rank
from .rule import THRESHOLD, Case, Hit, apply
from .rules import DETECTORS, RULES
from .vocabulary import vocabulary

EVIDENCE_LINES = 6
#: From this score on a text is understood as it stands.
SURE = 95.0


def diagnose(
    text: str, environment: Environment | None = None, language: Wanted = "auto"
) -> Triage:
    """The causes that `text` points to, best first; ``recognised`` is false rather than a guess.

    The answer is in `language`, by default in that of the text.

    `environment` adds what is known about the machine (package versions, GPUs, model type) where
    the text is silent. Any string is accepted; time and memory are linear in its length.
    """
    case, hits = _read(Page(text), environment)
    if (
        len(text) <= MOST_CHARACTERS
        and _best(hits) < SURE
        # Joined lines can hide a name: what is about another model as it stands stays so.
        and case.clues.other_model is None
    ):
        for lines in readings(case.page.lines):
            again, more = _read(Page.of([vocabulary().put_right(x) for x in lines]), environment)
            if _best(more) > _best(hits):
                case, hits = again, more
    if _best(hits) <= THRESHOLD:
        guess = likeness(case)
        hits = hits if guess is None or not admits(case, guess) else [guess, *hits]
    spoken = language_of(text) if language == "auto" else language
    diagnoses = tuple(_diagnosis(hit, case, spoken) for hit in hits)
    return Triage(bool(diagnoses), diagnoses)


def _read(page: Page, environment: Environment | None) -> tuple[Case, list[Hit]]:
    """A page with the causes worth naming, best first."""
    case = Case(Clues(page, environment))
    hits = [hit for rule in RULES if (hit := apply(rule, case)) is not None]
    for detector in DETECTORS:
        hits.extend(detector(case))
    return case, rank([hit for hit in hits if admits(case, hit)])


def _best(hits: list[Hit]) -> float:
    return hits[0].score if hits else 0.0


def _diagnosis(hit: Hit, case: Case, language: Language) -> Diagnosis:
    advice, notes, fixes = ADVICE[hit.id], hit.notes, hit.fixes
    if language == "zh":
        advice = chinese.advice(hit.id, advice)
        notes = [chinese.note(text) for text in notes]
        fixes = [chinese.fix(found) for found in fixes]
    lines = sorted(dict.fromkeys(hit.lines))[:EVIDENCE_LINES]
    return Diagnosis(
        id=hit.id,
        confidence=_confidence(hit, advice.confidence),
        evidence=tuple(case.page.evidence(line) for line in lines if line < len(case.page.lines)),
        computed=hit.computed,
        explanation=" ".join([*notes, advice.explanation]),
        fixes=(*fixes, *advice.fixes),
        next_steps=advice.next_steps,
    )


def _confidence(hit: Hit, known: Confidence) -> Confidence:
    """Derived from a message or a computation; a mere symptom is a heuristic, and reported causes
    stay reported.
    """
    if hit.score < 70 or (not hit.by_message and not hit.computed):
        return "heuristic"
    return known
