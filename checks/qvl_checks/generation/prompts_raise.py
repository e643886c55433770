"""generation.prompts-raise: can every ordinary kind of prompt be answered at all?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.attention.behaviour_facts import BehaviourFacts
from qvl_checks.attention.behaviour_words import few, listed, raised
from qvl_checks.attention.stated_load import concerned, told
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

UNUSUAL = ("image, without an attention mask", "image, prefilled in two pieces")
"""Calls of the model by hand."""
RELEASES = ("4.57.6", "5.23.0")
"""Of either line the newest in which every kind of prompt was seen to run."""


@check("generation.prompts-raise")
def prompts_raise(
    behaviour: BehaviourFacts, model: ModelFacts, workload: WorkloadFacts, target: TargetFacts
) -> Judgement:
    """Prompts of a small model that raise instead of being answered."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    if not behaviour.cases:
        return not_applicable("no prompt was tried")
    asked = [case for case in behaviour.cases if case.name not in UNUSUAL]
    mine = concerned(asked, workload, model)
    raising = [case for case in mine if case.reason]
    evidence = {
        "transformers": behaviour.transformers,
        "load": told(workload) if workload.stated else "not stated",
        "errors": raised(behaviour.cases),
    }
    if raising:
        first = raising[0]
        return failed(
            f"transformers {behaviour.transformers} raises on prompts of its own model: "
            + few(case.name for case in raising),
            f"{first.name}, {first.path}: {first.reason}. The inputs are those that the processor "
            "makes.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=_fixes(behaviour.transformers, target),
        )
    others = listed(case.name for case in asked if case.reason)
    calls = listed(case.name for case in behaviour.cases if case.reason and case.name in UNUSUAL)
    return passed(
        "Every kind of prompt that the load holds is answered"
        if others
        else "Every kind of prompt is answered",
        " ".join(
            part
            for part in (
                f"Stated: {told(workload)}. This release raises on others: {others}."
                if others
                else "",
                f"Calls that raise here and that generate() does not make: {calls}."
                if calls
                else "",
            )
            if part
        ),
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _fixes(release: str, target: TargetFacts) -> list[Fix]:
    better = [one for one in RELEASES if Version(one) > Version(release)]
    if not better:
        return [Fix.advise("Report it upstream, with the error in the evidence.")]
    return [
        Fix.run(
            *target.install(f"transformers=={better[0]}"),
            summary="installs a release in which these prompts were seen to be answered",
        )
    ]
