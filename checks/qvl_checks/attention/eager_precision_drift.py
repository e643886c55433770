"""attention.eager-precision-drift: are logits rounded before the softmax, and does it matter?"""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.attention import prediction
from qvl_checks.attention.checkpoint_charts import checkpoint_charts
from qvl_checks.attention.checkpoint_judgement import judge_checkpoint
from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts
from qvl_checks.attention.checkpoint_verdict import ran
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_charts import drift_charts
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.drift_fixes import keep_eager, keep_vision_eager, percent, use_sdpa
from qvl_checks.attention.drift_verdict import (
    FACTOR,
    FLOOR,
    first_drift,
    model_drift,
    planted,
    worst,
)
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_checks.attention.model_drift_facts import ModelCell, ModelDriftFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed


@check("attention.eager-precision-drift")
def eager_precision_drift(
    attention: DriftFacts,
    through: ModelDriftFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    biases: KeyBiasFacts | None = None,
    run: CheckpointRunFacts | None = None,
) -> Judgement:
    """A run of the checkpoint decides; else its biases, with what this stack does to such logits;
    without a checkpoint what it does at the magnitudes of trained models."""
    stored = prediction.read(biases)
    done = ran(run)
    judged = judge_checkpoint(done, stored) if done is not None else None
    if judged is not None:
        ways = keep_vision_eager(through) if judged.outcome is Outcome.FAIL else ()
        return msgspec.structs.replace(
            judged,
            fixes=(*judged.fixes, *ways),
            charts=(*judged.charts, *drift_charts(attention, through, workload.dtype)),
        )
    if through.reason:
        return inconclusive(f"Only attention alone was measured: {through.reason}")
    name = through.selected
    if not name:
        return blocked(f"{workload.attention} cannot be used here: {through.selected_reason}")
    dtype = workload.dtype
    cells, planted_run = attention.of(name, dtype), planted(through, name)
    if not cells and planted_run is None:
        why = through.missing.get(name) or attention.missing.get(f"{name} {dtype}") or "no reason"
        return inconclusive(f"{name} could not be measured in {dtype}: {why}")

    alone, inside = first_drift(attention, name, dtype), None
    if dtype == through.dtype:
        inside = model_drift(through, name)
    rounds = inside is not None or (alone is not None and through.has_key_bias)
    evidence = _evidence(attention, through, name, dtype)
    evidence["checkpoint_run"] = _not_run(run)
    charts = tuple(drift_charts(attention, through, dtype))
    cures = (*use_sdpa(through), *keep_vision_eager(through), *keep_eager(through))
    if stored is not None:
        evidence["prediction"] = prediction.evidence(stored)
        charts = (*checkpoint_charts(stored, None, dtype), *charts)
        unreadable = prediction.damaged(stored)
        if rounds and unreadable:
            numbers = prediction.names(layer.layer for layer in unreadable)
            return inconclusive(
                f"The k_proj or q_proj bias of {numbers} holds NaN or infinity", evidence=evidence
            )
        broken = prediction.breaking(stored, dtype)
        if rounds and broken:
            return failed(
                f"{name} attention in {dtype} will be wrong in "
                f"{prediction.names(layer.layer for layer in broken)} of this checkpoint",
                f"{_cause(name, dtype, alone, through, trained=False)} The biases of this "
                f"checkpoint put the logits there: {prediction.described(broken)}.",
                confidence=Confidence.DERIVED,
                evidence=evidence,
                fixes=cures,
                charts=charts,
            )
        if rounds:
            return passed(
                f"{name} attention in {dtype} rounds its logits, and this checkpoint's are too "
                "small to suffer",
                f"{prediction.immunity(stored)} Derived from its biases and norms; a run with "
                "--level deep measures it.",
                evidence=evidence,
                fixes=keep_eager(through),
                charts=charts,
            )
    elif biases is not None and biases.reason and model.path:
        evidence["prediction"] = biases.reason
    if rounds:
        return failed(
            _failure(name, dtype, planted_run if inside is not None else None, alone),
            _cause(name, dtype, alone, through),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=cures,
            charts=charts,
        )
    return passed(
        _success(name, dtype, model, through, first_drift(attention, "eager", dtype), stored),
        _reassurance(name, through, worst(cells), stored),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=keep_eager(through) if through.has_key_bias else (),
        charts=charts,
    )


def _not_run(run: CheckpointRunFacts | None) -> str:
    """Why the model that was named was not run, or what its run can say."""
    if run is None:
        return "needs --level deep"
    if run.status == "ran":
        return f"random weights were run in {run.seconds:.0f} s; they have no biases to break"
    return run.reason


def _success(
    name: str,
    dtype: str,
    model: ModelFacts,
    through: ModelDriftFacts,
    eager: Cell | None,
    stored: KeyBiasFacts | None,
) -> str:
    if not through.has_key_bias:
        return f"{model.family or 'This model'} gives eager attention nothing to round away"
    title = f"{name} attention in {dtype} is accurate at every logit offset tried"
    broken = prediction.breaking(stored, dtype) if stored is not None else ()
    if eager is not None and broken:
        numbers = prediction.names(layer.layer for layer in broken)
        return f"{title}; eager would be wrong in {numbers} of this checkpoint"
    if eager is not None and stored is None:
        title += f"; eager would not be from {eager.offset:g} on"
    return title


def _failure(name: str, dtype: str, inside: ModelCell | None, alone: Cell | None) -> str:
    """What it does to the model at trained magnitudes, else to attention alone."""
    if inside is not None and inside.from_float32.top1 is not None:
        changed = 1 - inside.from_float32.top1
        return f"{name} attention in {dtype} changes {changed:.0%} of a small model's next tokens"
    if inside is not None or alone is None or alone.error is None:
        return f"{name} attention in {dtype} gives values that are not finite"
    return f"{name} attention in {dtype} is wrong by {percent(alone.error)}"


def _cause(
    name: str, dtype: str, alone: Cell | None, through: ModelDriftFacts, trained: bool = True
) -> str:
    text = (
        f"{name} stores Q·Kᵀ in {dtype} before the softmax. The softmax ignores an offset that all "
        f"logits share, {dtype} does not: the larger the offset, the coarser the logits."
    )
    if alone is not None:
        text += f" Attention is off by {FLOOR:.0%} or more here from offset {alone.offset:g} on."
    if through.has_key_bias and trained:
        text += (
            " Trained models of this family reach hundreds to thousands, through the k_proj bias "
            "of their first and last layers."
        )
    return text


def _reassurance(
    name: str, through: ModelDriftFacts, largest: float | None, stored: KeyBiasFacts | None
) -> str:
    measured = f"The largest error of {name} against float64 was {percent(largest)}. "
    if largest is None:
        measured = ""
    if through.has_key_bias:
        return measured + (
            "It keeps the logits in float32, so the offset that the k_proj bias of this family "
            "gives them does no harm."
        )
    if measured:
        measured = (
            f"Given offsets that this family does not have, {name} alone is off by up to "
            f"{percent(largest)}. "
        )
    if stored is not None:
        return measured + prediction.immunity(stored)
    norm = "its keys are normalised and " if through.has_key_norm else ""
    return measured + (
        f"An offset that all logits share comes from a k_proj bias; {norm}k_proj has no bias, so "
        "there is none. No offset was planted in the model for the same reason; the chart of "
        "attention alone shows what one would do."
    )


def _evidence(
    attention: DriftFacts, through: ModelDriftFacts, name: str, dtype: str
) -> dict[str, Any]:
    names = dict.fromkeys((name, "eager", "sdpa", CURE))
    first = {item: first_drift(attention, item, dtype) for item in names}
    plants = {item: planted(through, item) for item in names}
    return {
        "implementation": name,
        "dtype": dtype,
        "device": attention.device_name or attention.device,
        "head_dim": attention.head_dim,
        "k_proj_bias": through.has_key_bias,
        "key_norm": through.has_key_norm,
        "first_offset_that_drifts": {
            item: cell.offset if cell else None for item, cell in first.items()
        },
        "largest_error": {item: worst(attention.of(item, dtype)) for item in names},
        "model": {
            item: {
                "offset": round(cell.offset, 1),
                "key_bias_norm": round(cell.key_bias_norm, 1),
                "error": cell.from_float32.error,
                "top1": cell.from_float32.top1,
                "kl": cell.from_float32.kl,
                "error_from_fp32_logits": cell.from_cure.error if cell.from_cure else None,
            }
            for item, cell in plants.items()
            if cell is not None
        },
        "causal": through.causal,
        "vision_tower": {
            "offset": through.vision.offset,
            "error": through.vision.errors,
            "not_run": through.vision.missing,
        },
        "obeyed_at_loading": [
            {"attn_implementation": way.argument, "text": way.text, "vision": way.vision}
            for way in through.alternatives
        ],
        "sdpa_backend": attention.sdpa_backend.get(dtype, ""),
        "not_run": {**attention.missing, **through.missing},
        "drifts_if": f"error >= {FLOOR:.0%} and >= {FACTOR:g} times that of a sound implementation",
    }
