"""attention.sliding-window-mask-wrong: does the mask obey the switch of the sliding window?"""

from __future__ import annotations

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun
from qvl_checks.attention.behaviour_words import by_the_window, listed, logits_sentence, raised
from qvl_checks.attention.sliding_window_ignored_config import prompt_tokens
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import text_part, whole_number
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

DEFAULT_WINDOW = 4096
"""What the configuration class assumes when config.json has no ``sliding_window``."""


@check("attention.sliding-window-mask-wrong")
def sliding_window_mask_wrong(
    behaviour: BehaviourFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    files: CheckpointFilesFacts | None = None,
) -> Judgement:
    """A prompt longer than a small window, with the window switched off and on."""
    if behaviour.reason:
        return not_applicable(behaviour.reason)
    if behaviour.window is None:
        return not_applicable(f"{model.family or model.name} has no sliding window")
    text = text_part(model.config)
    in_use = bool(text.get("use_sliding_window"))
    asked = "window on" if in_use else "window off"
    mine = [case for case in behaviour.windows if case.name == asked]
    compared = [case for case in mine if not case.reason]
    if not compared:
        return blocked("no model with a window could be run", evidence={"errors": raised(mine)})
    off = [case for case in compared if case.logits()]
    wrong = [case for case in off if by_the_window(case, behaviour)]
    other = [case for case in behaviour.windows if case not in mine and case.logits()]
    window = text.get("sliding_window", DEFAULT_WINDOW)
    evidence = {
        "transformers": behaviour.transformers,
        "use_sliding_window": in_use,
        "sliding_window": window,
        "measured_with_window": behaviour.window,
        "largest_relative_error": {
            f"{case.name}, {case.path}, {case.implementation}": case.error
            for case in behaviour.windows
        },
    }
    if off and not wrong:
        return inconclusive(
            "The answers to the test prompts are wrong for another reason "
            "(attention.forward-differs-from-reference), so the mask cannot be told",
            evidence=evidence,
        )
    if not wrong:
        return passed(
            f"The mask obeys the switched-{'on' if in_use else 'off'} sliding window",
            _about_the_other(other),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    implementations = listed(case.implementation for case in wrong)
    length = prompt_tokens(model, workload, files)
    if workload.stated and whole_number(window) and length <= window:
        return passed(
            f"The stated prompt of {length} tokens stays within the window of {window}",
            f"The mask of {implementations} misplaces the window in this release, which longer "
            f"prompts meet: {_first(wrong)}.",
            confidence=Confidence.MEASURED,
            evidence={**evidence, "tokens": length},
        )
    title = (
        f"The mask of {implementations} misplaces the sliding window"
        if in_use
        else f"A window that is switched off hides the start of long prompts ({implementations})"
    )
    return failed(
        title,
        f"transformers {behaviour.transformers}: {_first(wrong)}. This checkpoint's window is "
        f"{window} tokens: longer prompts are affected, shorter ones are not.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        explains=("attention.sliding-window-ignored-config",),
        fixes=_fixes(in_use, target),
    )


def _first(wrong: list[CaseRun]) -> str:
    return "; ".join(logits_sentence(case, row) for case in wrong[:2] if (row := case.logits()))


def _about_the_other(other: list[CaseRun]) -> str:
    if not other:
        return ""
    return (
        "With use_sliding_window true it would be misplaced: "
        + listed(case.implementation for case in other)
        + " of this release put it into every layer."
    )


def _fixes(in_use: bool, target: TargetFacts) -> list[Fix]:
    newer = Fix.run(
        *target.install("transformers==4.57.1"),
        summary="installs a release whose mask obeys the switch",
    )
    if in_use:
        return [newer]
    away = Fix.edit(
        "from transformers import AutoConfig\n\n"
        "config = AutoConfig.from_pretrained(path)\n"
        "config.sliding_window = None\n"
        "model = AutoModelForImageTextToText.from_pretrained(path, config=config)\n",
        summary="takes the window away; answers to long prompts change, as they then see all of it",
    )
    return [away, newer]
