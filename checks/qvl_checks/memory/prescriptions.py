"""What to change so that the workload fits, each with the run that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.memory import run_words as words
from qvl_checks.memory.change_facts import Candidate, CandidatesFacts, FixesFacts
from qvl_checks.memory.inversion import Dimensions
from qvl_checks.memory.plan import loading_code
from qvl_checks.memory.run_facts import RunAsStated, RunFacts
from qvl_checks.models.build import MERGE
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Fix, Safety

COSTLY = {"max_pixels", "videos", "logits_to_keep", "dtype", "batch"}
"""Fields whose change can cost quality, or that the program around the model must follow."""
FINAL = ("predicted_not_to_fit", "enough")
"""Why a change was not run, that leave nothing to prescribe."""
CURED = (*FINAL, "unavailable")
"""The same where another change is known to help: then nothing needs to be installed."""


def prescriptions(
    stated: RunAsStated,
    fixes: FixesFacts | None,
    candidates: CandidatesFacts | None,
    model: ModelFacts,
) -> list[Fix]:
    """Changes with which it was seen to fit, then those that are predicted to and were not run.

    What was run and did not fit is not among them.
    """
    found = []
    trials = fixes.runs if fixes else ()
    cured = any(trial.run.status == "ran" for trial in trials)
    for trial in trials:
        candidate = candidates.of(trial.name) if candidates else None
        run = trial.run
        if run.status == "ran":
            proof = f"the same workload ran on the same GPUs: {words.peaks(run)}"
            found.append(_fix(stated, model, trial.changes, "", proof))
        elif run.status == "not_run" and run.obstacle not in (CURED if cured else FINAL):
            found.append(_fix(stated, model, trial.changes, _unproven(run, candidate), ""))
    return sorted(found, key=lambda fix: not fix.verified)


def _unproven(run: RunFacts, candidate: Candidate | None) -> str:
    peaks = ""
    if candidate is not None and candidate.fits:
        highest = max((one.peak_allocated_bytes for one in candidate.devices), default=None)
        peaks = f" It is predicted to fit, with a peak of {words.size(highest)}."
    return f"{peaks} It was not run: {run.reason}."


def _fix(
    stated: RunAsStated, model: ModelFacts, changes: Mapping[str, Any], aside: str, proof: str
) -> Fix:
    workload = {
        "attention": stated.attention,
        "dtype": stated.dtype,
        "device_map": stated.device_map,
    }
    patch = Dimensions.of(model.config).patch or 14
    words = loading_code.summary(changes)
    return Fix.edit(
        loading_code.code(changes, workload, model.class_name, stated.transformers, patch),
        summary=f"Run it with {words[:1].lower()}{words[1:]}.{_cost(changes, patch)}{aside}",
        safety=Safety.REVIEW if COSTLY & set(changes) else Safety.SAFE,
        verification=proof,
    )


def _cost(changes: Mapping[str, Any], patch: int) -> str:
    if "max_pixels" in changes:
        tokens = changes["max_pixels"] // (patch * MERGE) ** 2
        return f" That is {tokens} visual tokens; small print may be lost."
    if "logits_to_keep" in changes:
        return " Only where no others are used."
    return ""
