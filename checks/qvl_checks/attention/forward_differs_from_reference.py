"""attention.forward-differs-from-reference: does the installed code compute the model?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun, VisionRun
from qvl_checks.attention.behaviour_words import (
    as_evidence,
    largest_error,
    listed,
    logits_sentence,
    ordinary,
    raised,
)
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("attention.forward-differs-from-reference")
def forward_differs_from_reference(behaviour: BehaviourFacts, model: ModelFacts) -> Judgement:
    """Everything that neither positions, nor padding, nor the window switch explains."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    cases, vision = ordinary(behaviour), [run for run in behaviour.vision if not run.reason]
    if not [case for case in cases if not case.reason]:
        return blocked("the small model could not be run", evidence={"errors": raised(cases)})
    wrong = [case for case in cases if case.logits() and not _is_padding(case, behaviour)]
    blind = [run for run in vision if run.error is None or run.error > behaviour.tolerance]
    evidence = {
        "transformers": behaviour.transformers,
        "model_type": behaviour.model_type,
        "tolerance": behaviour.tolerance,
        "largest_relative_error": largest_error(cases),
        "vision_relative_error": {f"{run.name}, {run.implementation}": run.error for run in vision},
        "differences": {
            f"{case.name}, {case.path}": as_evidence(row)
            for case in wrong
            if (row := case.logits())
        },
        "errors": raised(cases),
    }
    if not wrong and not blind:
        return passed(
            "The installed code computes what the reference computes",
            _told(cases, vision),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"transformers {behaviour.transformers} computes something else than the model: "
        + listed([*(case.name for case in wrong), *(f"vision, {run.name}" for run in blind)]),
        "; ".join(_sentences(wrong, blind)) + ". In float32 only rounding (below 1e-4) may differ.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[Fix.advise(advice) for advice in _advice(wrong, blind)],
    )


def _is_padding(case: CaseRun, behaviour: BehaviourFacts) -> bool:
    """That rule's business: the same prompt alone is answered differently."""
    alone = case.from_alone
    return case.padding is not None and (alone is None or alone > behaviour.tolerance)


def _sentences(wrong: list[CaseRun], blind: list[VisionRun]) -> Iterator[str]:
    for case in wrong:
        if row := case.logits():
            yield logits_sentence(case, row)
    for run in blind:
        size = "not finite" if run.error is None else f"off by {run.error:.1g}"
        why = f"; exactly what one gets from: {run.cause}" if run.cause else ""
        yield f"vision tower with {run.implementation}, {run.name}: {size}{why}"


def _advice(wrong: list[CaseRun], blind: list[VisionRun]) -> Iterator[str]:
    causes = {row.cause for case in wrong if (row := case.logits())}
    if "masked like packed prompts" in causes:
        yield (
            "Pass attention_mask to every model(...) call (the processor returns it), or leave "
            "use_cache on: without both, the mask takes the jumps in an image's positions for the "
            "borders of packed prompts."
        )
    if blind or causes - {"masked like packed prompts"}:
        yield (
            "Use another release of transformers, and compare again. If no report upstream fits, "
            "this is one: the evidence names the first token that differs."
        )


def _told(cases: list[CaseRun], vision: list[VisionRun]) -> str:
    names = listed(case.name for case in cases if not case.reason)
    towers = listed(run.implementation for run in vision)
    unrun = raised(cases)
    not_run = f" Not compared, as it raises: {listed(unrun)}." if unrun else ""
    return f"Compared: {names}; the vision tower with {towers}.{not_run}"
