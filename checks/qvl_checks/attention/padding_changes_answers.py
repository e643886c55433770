"""attention.padding-changes-answers: is a prompt answered as if it were alone?"""

from __future__ import annotations

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun
from qvl_checks.attention.behaviour_words import listed, position_sentence, raised
from qvl_checks.attention.stated_load import told
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("attention.padding-changes-answers")
def padding_changes_answers(
    behaviour: BehaviourFacts, model: ModelFacts, workload: WorkloadFacts
) -> Judgement:
    """Prompts in a padded batch against the same prompts by themselves, in float32."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    padded = [case for case in behaviour.cases if case.padding]
    compared = [case for case in padded if not case.reason]
    if not compared:
        return blocked("no padded batch could be run", evidence={"errors": raised(padded)})
    changed = [case for case in compared if not _agrees(case, behaviour.tolerance)]
    evidence = {
        "transformers": behaviour.transformers,
        "relative_difference_from_alone": {
            f"{case.name}, {case.path}": case.from_alone for case in compared
        },
        "tolerance": behaviour.tolerance,
        "errors": raised(padded),
    }
    if not changed:
        return passed(
            "Prompts in a padded batch are answered as if they were alone",
            "Left and right padding in one pass, left padding in prefill and decoding.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    paths = listed(case.path for case in changed)
    if workload.stated and workload.batch == 1:
        return passed(
            "The stated load runs one prompt at a time, so there is no padding",
            f"Stated: {told(workload)}. In a padded batch ({paths}) this release gives other "
            "answers; state --batch if you use batches.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"Prompts in a padded batch get other answers than alone ({paths})",
        f"transformers {behaviour.transformers}, in float32, where only rounding may differ: "
        + "; ".join(_told(case) for case in changed)
        + ".",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.advise(
                "Until this is mended by another release, run one prompt at a time, or put only "
                "prompts of equal length into a batch; then there is no padding."
            )
        ],
    )


def _agrees(case: CaseRun, tolerance: float) -> bool:
    return case.from_alone is not None and case.from_alone <= tolerance


def _told(case: CaseRun) -> str:
    size = "not finite" if case.from_alone is None else f"{case.from_alone:.1g} off"
    wrong = case.positions()
    why = f" ({position_sentence(case, wrong)})" if wrong else ""
    return f"{case.name}, {case.path}: logits {size}{why}"
