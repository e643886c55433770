"""attention.forward-differs-from-reference: does the installed code compute the model?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun, VisionRun
from qvl_checks.attention.behaviour_words import (
    as_evidence,
    by_the_window,
    few,
    largest_error,
    listed,
    logits_sentence,
    named,
    ordinary,
    raised,
)
from qvl_checks.attention.stated_load import concerned, told
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

ROTARY = 0.02
"""Error of a cosine or sine in bfloat16, five times what rounding it gives."""


@check("attention.forward-differs-from-reference")
def forward_differs_from_reference(
    behaviour: BehaviourFacts, model: ModelFacts, workload: WorkloadFacts
) -> Judgement:
    """Everything that neither positions, nor padding, nor the window switch explains, as far as
    the stated load meets it."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    cases, vision = ordinary(behaviour), [run for run in behaviour.vision if not run.reason]
    if not [case for case in cases if not case.reason]:
        return blocked("the small model could not be run", evidence={"errors": raised(cases)})
    everything = [
        case
        for case in (*cases, *behaviour.eager, *behaviour.windows)
        if case.logits() and not _elsewhere(case, behaviour)
    ]
    wrong = [
        case
        for case in concerned(everything, workload, model)
        if not workload.stated or case.implementation in ("", workload.attention or "sdpa")
    ]
    turned = behaviour.rotary_error is not None and behaviour.rotary_error > ROTARY
    blind = [run for run in vision if run.error is None or run.error > behaviour.tolerance]
    evidence = {
        "transformers": behaviour.transformers,
        "model_type": behaviour.model_type,
        "tolerance": behaviour.tolerance,
        "largest_relative_error": largest_error(cases),
        "rotary_error_in_bfloat16": behaviour.rotary_error,
        "vision_relative_error": {f"{run.name}, {run.implementation}": run.error for run in vision},
        "differences": {
            named(case): as_evidence(row) for case in everything if (row := case.logits())
        },
        "errors": raised(cases),
    }
    if not wrong and not blind and not turned:
        return passed(
            "The installed code computes what the reference computes",
            _told(cases, vision) + _unmet(everything, workload),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"transformers {behaviour.transformers} computes something else than the model: "
        + few(
            [
                *(case.name for case in wrong),
                *(f"vision, {run.name}" for run in blind),
                *(["positions in bfloat16"] if turned else []),
            ]
        ),
        "; ".join([*_sentences(wrong, blind), *([_turned(behaviour)] if turned else [])])
        + ". In float32 only rounding (below 1e-4) may differ.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        explains=("images.pictures-not-seen",) if blind else (),
        fixes=[Fix.advise(advice) for advice in _advice(wrong, blind or turned)],
    )


def _elsewhere(case: CaseRun, behaviour: BehaviourFacts) -> bool:
    """Another rule's business: a window explains it, or the same prompt alone is answered
    differently from the padded one."""
    if case in behaviour.windows:
        return by_the_window(case, behaviour)
    alone = case.from_alone
    return (
        case.padding is not None
        and case.path in ("forward", "generate")
        and case not in behaviour.eager
        and (alone is None or alone > behaviour.tolerance)
    )


def _turned(behaviour: BehaviourFacts) -> str:
    return (
        "the rotary embedding's cosines and sines, asked for in bfloat16, are off by up to "
        f"{behaviour.rotary_error:.1g} at positions up to 10007, where rounding gives 0.004"
    )


def _sentences(wrong: list[CaseRun], blind: list[VisionRun]) -> Iterator[str]:
    for case in wrong:
        if row := case.logits():
            yield logits_sentence(case, row)
    for run in blind:
        size = "not finite" if run.error is None else f"off by {run.error:.1g}"
        why = f"; exactly what one gets from: {run.cause}" if run.cause else ""
        yield f"vision tower with {run.implementation}, {run.name}: {size}{why}"


def _advice(wrong: list[CaseRun], more: object) -> Iterator[str]:
    causes = {row.cause for case in wrong if (row := case.logits())}
    if "masked like packed prompts" in causes:
        yield (
            "Pass attention_mask to every model(...) call (the processor returns it), or leave "
            "use_cache on: without both, the mask takes the jumps in an image's positions for the "
            "borders of packed prompts."
        )
    if more or causes - {"masked like packed prompts"}:
        yield (
            "Use another release of transformers, and compare again. If no report upstream fits, "
            "this is one: the evidence names the first token that differs."
        )


def _unmet(others: list[CaseRun], workload: WorkloadFacts) -> str:
    """What this release gets wrong besides."""
    if not others:
        return ""
    return f" Stated: {told(workload)}. This release is wrong for others: " + (
        listed(named(case) for case in others) + "."
    )


def _told(cases: list[CaseRun], vision: list[VisionRun]) -> str:
    names = listed(case.name for case in cases if not case.reason)
    towers = listed(run.implementation for run in vision)
    unrun = raised(cases)
    not_run = f" Not compared, as it raises: {listed(unrun)}." if unrun else ""
    return f"Compared: {names}; the vision tower with {towers}.{not_run}"
