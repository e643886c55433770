"""Does the stated workload fit on the stated devices? Run, not estimated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.memory import run_words as words
from qvl_checks.memory.change_facts import (
    CandidatesFacts,
    FixesFacts,
    LargestImageFacts,
)
from qvl_checks.memory.comparison import all_compared, as_evidence
from qvl_checks.memory.failed_tensor import Culprit, recognise
from qvl_checks.memory.history_charts import measured_history, predicted_history
from qvl_checks.memory.inversion import Dimensions, most_patches
from qvl_checks.memory.predicted_facts import PredictedFacts
from qvl_checks.memory.prescriptions import prescriptions
from qvl_checks.memory.run_charts import memory_bars
from qvl_checks.memory.run_facts import Card, OutOfMemory, RunAsStated, RunFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Chart, Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("memory.device-0-out-of-memory")
def device_0_out_of_memory(
    stated: RunAsStated,
    model: ModelFacts,
    predicted: PredictedFacts | None,
    candidates: CandidatesFacts | None,
    fixes: FixesFacts | None,
    largest: LargestImageFacts | None,
) -> Judgement:
    """Judge the run as stated; the other runs show what else fails and what cures it."""
    if stated.status == "not_run":
        return _not_run(stated)
    tried: dict[str, RunFacts] = {
        trial.name: trial.run
        for trial in (fixes.runs if fixes else ())
        if trial.run.status != "not_run"
    }
    known: dict[str, Any] = {
        **words.setting(stated),
        "runs": words.outcomes(stated, tried),
    }
    rows = all_compared(stated, predicted, candidates, fixes, largest)
    if rows:
        known.update(as_evidence(rows))
    if largest is not None and largest.status == "tried":
        known["largest_square_image"] = words.largest_image(largest)
    charts = (
        *(measured_history(stated) or predicted_history(predicted.devices if predicted else ())),
        *memory_bars({stated.names: stated, **tried}),
    )
    if stated.status == "ran":
        return _fits(stated, tried, model, known, charts, largest)
    cures = prescriptions(stated, fixes, candidates, model)
    return _does_not_fit(stated, model, known, charts, cures)


def _not_run(stated: RunAsStated) -> Judgement:
    if stated.obstacle == "no_model":
        return not_applicable("no model was named; --model names one to run at full size")
    if stated.obstacle == "too_large":
        return failed(
            "The weights alone do not fit",
            f"Before any activation, {stated.reason}.",
            evidence={"weights_gib": words.gib(stated.weights_need_bytes), "dtype": stated.dtype},
            fixes=[
                Fix.advise(
                    "Use a smaller or a quantised checkpoint, or more GPUs with "
                    'device_map="auto", which divides the weights among them.'
                )
            ],
        )
    return blocked(f"the workload was not run: {stated.reason}", evidence=words.setting(stated))


def _fits(
    stated: RunAsStated,
    tried: Mapping[str, RunFacts],
    model: ModelFacts,
    known: dict[str, Any],
    charts: tuple[Chart, ...],
    largest: LargestImageFacts | None,
) -> Judgement:
    tightest = max(
        stated.cards, key=lambda card: (card.peak_allocated_bytes or 0) / card.usable_bytes
    )
    spared = [name for name, run in tried.items() if run.status == "out_of_memory"]
    warning = (
        f" The same workload ran out of memory with {' and with '.join(spared)}." if spared else ""
    )
    limit = f" {words.limit(largest)}" if largest is not None and largest.fits_side else ""
    peak, usable = words.size(tightest.peak_allocated_bytes), words.size(tightest.usable_bytes)
    return passed(
        f"{model.name} with {stated.names} fits: peak {peak} of {usable} on GPU {tightest.index}",
        f"{words.workload(stated)} ran to its end.{warning}{limit}",
        confidence=Confidence.MEASURED,
        evidence=known,
        charts=charts,
    )


def _does_not_fit(
    stated: RunAsStated,
    model: ModelFacts,
    known: dict[str, Any],
    charts: tuple[Chart, ...],
    cures: list[Fix],
) -> Judgement:
    failure = stated.failure
    assert failure is not None, "a run that is out of memory has a failure"
    culprit = recognise(failure, stated.load, model.config)
    where = f"GPU {failure.gpu}" if failure.gpu is not None else "a GPU"
    card = words.card_of(stated, failure.gpu)
    left = words.left(card, failure)
    room = f", {words.size(left)} of {words.size(card.usable_bytes)} were left" if card else ""
    return failed(
        f"{where} ran out of memory: {words.size(failure.requested_bytes)} asked for{room}",
        _cause(stated, failure, culprit, where),
        confidence=Confidence.MEASURED,
        evidence={**known, "failure": words.failing_request(failure, left)},
        fixes=cures or [_without_cure(stated, model, culprit, card)],
        charts=charts,
    )


def _cause(stated: RunAsStated, failure: OutOfMemory, culprit: Culprit, where: str) -> str:
    place = f" in {failure.module}" if failure.module else ""
    what = f"{words.workload(stated)} asked {where} for {culprit.words}{place}."
    if culprit.kind == "weight":
        return f"{what} The weights alone are too large for what may be used."
    if culprit.kind in ("vision", "text"):
        holder = "the vision tower" if culprit.kind == "vision" else "that layer"
        what += (
            f" {stated.names} attention writes this matrix in one piece, and several of that size "
            f"at once; it grows with the square of the {_counted(culprit)} and must fit on the GPU "
            f"that holds {holder}. A device map divides weights, not this matrix."
        )
    elif culprit.kind == "logits":
        what += " One row of the whole vocabulary is kept for every token of the prompt."
    idle = [
        f"GPU {reading.index} held {words.size(reading.allocated_bytes)}"
        for reading in failure.readings
        if reading.index != failure.gpu
    ]
    return f"{what} At that moment {', '.join(idle)}." if idle else what


def _without_cure(
    stated: RunAsStated, model: ModelFacts, culprit: Culprit, card: Card | None
) -> Fix:
    """Where no change was found: a limit on pixels from the tensor's size, or advice."""
    if culprit.kind == "vision" and card is not None:
        fewer = _pixel_limit(stated, model, culprit, card)
        if fewer is not None:
            return fewer
    return Fix.advise(_advice(culprit), safety=Safety.REVIEW)


def _pixel_limit(
    stated: RunAsStated, model: ModelFacts, culprit: Culprit, card: Card
) -> Fix | None:
    patch = Dimensions.of(model.config).patch
    room = card.usable_bytes - (card.weights_bytes or 0)
    patches = most_patches(room, culprit.factor or 1, stated.dtype)
    if patch is None or patches <= 0:
        return None
    return Fix.edit(
        f"processor = AutoProcessor.from_pretrained(\n"
        f"    path, min_pixels={4 * patch**2}, max_pixels={patches * patch**2}\n)",
        summary=f"Scale images down to {patches} patches or fewer: about the largest whose "
        "attention scores fit beside the weights. Computed, not run; small print may be lost.",
        safety=Safety.REVIEW,
    )


def _advice(culprit: Culprit) -> str:
    if culprit.kind == "weight":
        return "Use a smaller or a quantised checkpoint, or more GPUs with device_map='auto'."
    if culprit.kind in ("text", "logits"):
        return "Shorten the prompt: fewer or smaller images, fewer frames, a smaller batch."
    return "Make the images, the prompt or the batch smaller; nothing that was tried here fits."


def _counted(culprit: Culprit) -> str:
    return "patches" if culprit.kind == "vision" else "tokens"
