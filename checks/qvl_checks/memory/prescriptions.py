"""What to change so that the workload fits, each with the run that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.memory import run_words as words
from qvl_checks.memory.change_facts import Candidate, CandidatesFacts, FixesFacts
from qvl_checks.memory.run_facts import RunAsStated, RunFacts
from qvl_checks.models.attention_wish import code as spelled
from qvl_doctor.findings import Fix, Safety

DTYPE_KEYWORD_SINCE = (4, 56)
"""transformers release from which ``from_pretrained`` takes ``dtype``."""
FEWEST_TOKENS = 4
"""Visual tokens of the smallest image that the fixes let the processor make."""
FINAL = ("predicted_not_to_fit", "enough")
"""Why a change was not run, that leave nothing to prescribe."""
CURED = (*FINAL, "unavailable")
"""The same where another change is known to help: then nothing needs to be installed."""


def prescriptions(
    stated: RunAsStated,
    fixes: FixesFacts | None,
    candidates: CandidatesFacts | None,
    unit: int | None,
) -> list[Fix]:
    """Changes with which it was seen to fit, then those that are predicted to and were not run.

    What was run and did not fit is not among them. ``unit``: side in pixels of one visual token.
    """
    found = []
    trials = fixes.runs if fixes else ()
    cured = any(trial.run.status == "ran" for trial in trials)
    for trial in trials:
        candidate = candidates.of(trial.name) if candidates else None
        run = trial.run
        if run.status == "ran":
            proof = f"the same workload ran on the same GPUs: {words.peaks(run)}"
            found.append(_fix(stated, trial.changes, unit, "", proof))
        elif run.status == "not_run" and run.obstacle not in (CURED if cured else FINAL):
            found.append(_fix(stated, trial.changes, unit, _unproven(run, candidate), ""))
    return sorted(found, key=lambda fix: not fix.verified)


def _unproven(run: RunFacts, candidate: Candidate | None) -> str:
    peaks = ""
    if candidate is not None and candidate.fits:
        highest = max((one.peak_allocated_bytes for one in candidate.devices), default=None)
        peaks = f" It is predicted to fit, with a peak of {words.size(highest)}."
    return f"{peaks} It was not run: {run.reason}."


def _fix(
    stated: RunAsStated, changes: Mapping[str, Any], unit: int | None, aside: str, proof: str
) -> Fix:
    summary, code, safety = _written(stated, changes, unit)
    return Fix.edit(code, summary=summary + aside, safety=safety, verification=proof)


def _written(
    stated: RunAsStated, changes: Mapping[str, Any], unit: int | None
) -> tuple[str, str, Safety]:
    """(summary, code, safety) of one change."""
    parts, code, safety = [], [], Safety.SAFE
    if "attention" in changes:
        parts.append(f"Load the model with {changes['attention']} attention.")
    if "dtype" in changes:
        parts.append(f"Load the weights in {changes['dtype']}.")
        safety = Safety.REVIEW
    if "max_memory" in changes:
        parts.append(
            "Leave room on the first GPU for what it computes: fewer layers there, more elsewhere."
        )
    elif "device_map" in changes:
        parts.append("Divide the weights among all GPUs.")
    if {"attention", "dtype", "device_map", "max_memory"} & set(changes):
        code.append(loading_code(stated, changes))
    if "max_pixels" in changes:
        most = changes["max_pixels"]
        tokens = f" or {most // unit**2} visual tokens" if unit else ""
        parts.append(
            f"Let the processor scale images down to {most} pixels{tokens}: the most that fits. "
            "Small print may be lost."
        )
        fewest = FEWEST_TOKENS * (unit or 28) ** 2
        code.append(
            "processor = AutoProcessor.from_pretrained(\n"
            f"    path, min_pixels={fewest}, max_pixels={most}\n)"
        )
        safety = Safety.REVIEW
    if "prefill_chunk" in changes:
        parts.append(f"Let generate() take the prompt {changes['prefill_chunk']} tokens at a time.")
        code.append(
            f"output = model.generate(**inputs, prefill_chunk_size={changes['prefill_chunk']})"
        )
    if "logits_to_keep" in changes:
        parts.append("Ask for the logits of the last position only, if no others are used.")
        code.append(f"output = model(**inputs, logits_to_keep={changes['logits_to_keep']})")
        safety = Safety.REVIEW
    if "batch" in changes:
        parts.append(f"Give the model {changes['batch']} prompts at a time.")
        code.append(f"batch_size = {changes['batch']}")
    return " ".join(parts), "\n".join(code), safety


def loading_code(stated: RunAsStated, changes: Mapping[str, Any]) -> str:
    """``from_pretrained`` as stated with these changes, for the release that was run."""
    release = tuple(int(part) for part in stated.transformers.split(".")[:2] if part.isdigit())
    dtype = "dtype" if release >= DTYPE_KEYWORD_SINCE else "torch_dtype"
    attention = changes.get("attention", stated.attention)
    arguments = [f"{dtype}=torch.{changes.get('dtype', stated.dtype)}"]
    if attention is not None:
        arguments.append(f"attn_implementation={spelled(attention)}")
    arguments.append(f'device_map="{changes.get("device_map") or stated.device_map or "cuda:0"}"')
    if "max_memory" in changes:
        rooms = ", ".join(
            f'{index}: "{int(room) // 2**20}MiB"' for index, room in changes["max_memory"].items()
        )
        arguments.append(f"max_memory={{{rooms}}}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"model = AutoModelForImageTextToText.from_pretrained(\n    path,\n{lines})"
