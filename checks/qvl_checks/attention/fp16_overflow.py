"""attention.fp16-overflow: do float16 logits leave the range that float16 can hold?"""

from __future__ import annotations

from typing import Any

from qvl_checks.attention import prediction
from qvl_checks.attention.checkpoint_overflow import BFLOAT16, judge_overflow
from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts
from qvl_checks.attention.checkpoint_verdict import ran
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.drift_fixes import keep_eager, use_sdpa
from qvl_checks.attention.drift_verdict import drifts, overflows, sound_error
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_checks.attention.logit_rounding import FP16_MAX
from qvl_checks.attention.model_drift_facts import ModelDriftFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed


@check("attention.fp16-overflow")
def fp16_overflow(
    attention: DriftFacts,
    through: ModelDriftFacts,
    workload: WorkloadFacts,
    biases: KeyBiasFacts | None = None,
    run: CheckpointRunFacts | None = None,
) -> Judgement:
    """Fails if a float16 workload runs an implementation that overflows: on the checkpoint when it
    was run, else where its biases, or those of trained models of the family, put the logits."""
    evidence = _evidence(attention)
    stored, done = prediction.read(biases), ran(run)
    if stored is not None:
        evidence["prediction"] = prediction.evidence(stored)
    if workload.dtype != "float16":
        return not_applicable(
            f"The workload computes in {workload.dtype}, which holds far more than {FP16_MAX:.0f}"
            + _warning(stored),
            evidence=evidence,
        )
    judged = judge_overflow(done, stored, evidence) if done is not None else None
    if judged is not None:
        return judged
    if through.reason:
        return inconclusive(f"Only attention alone was measured: {through.reason}")
    name = through.selected
    if not name:
        return blocked(f"{workload.attention} cannot be used here: {through.selected_reason}")
    evidence["implementation"] = name
    cells = attention.of(name, "float16")
    beyond = [cell for cell in cells if cell.overflowing]
    runs = [cell for cell in through.of(name) if overflows(cell, through.head_dim)]
    if not beyond and not runs:
        return inconclusive(f"{name} was not tried beyond the range of float16", evidence=evidence)
    evidence["model"] = {
        f"{cell.offset:.0f}": {
            "error": cell.from_float32.error,
            "nonfinite": cell.from_float32.nonfinite,
        }
        for cell in runs
    }
    spoiled = [cell for cell in beyond if _spoiled(attention, cell)]
    broken = [cell for cell in runs if drifts(cell.from_float32.error, 0.0)]
    if not spoiled and not broken:
        return passed(
            f"{name} attention in float16 stays finite beyond the range of float16",
            "It keeps Q·Kᵀ in float32, so products above 65504 do no harm.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if stored is None and not through.has_key_bias:
        return passed(
            f"{name} attention would overflow in float16, but this family does not get there",
            "Its keys have no bias that could carry a product of a query and a key beyond 65504.",
            evidence=evidence,
        )
    fixes = (*use_sdpa(through), BFLOAT16, *keep_eager(through))
    if stored is not None:
        return _predicted(name, stored, evidence, fixes)
    hidden = all(cell.nonfinite == 0 for cell in spoiled) and all(
        cell.from_float32.nonfinite == 0 for cell in broken
    )
    what = "turns overflowing logits into zeros" if hidden else "overflows to NaN"
    return failed(
        f"{name} attention in float16 {what} at the offsets of this family",
        f"{_mechanism(name, attention.head_dim)} Trained models of this family get there: "
        "published float16 perplexity with eager is NaN.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=fixes,
    )


def _predicted(
    name: str, stored: KeyBiasFacts, evidence: dict[str, Any], fixes: tuple[Fix, ...]
) -> Judgement:
    """From the biases of the checkpoint, for an implementation that was seen to overflow."""
    over = [layer for layer in stored.of("text") if prediction.overflows(layer)]
    near = prediction.near_overflow(stored)
    if over:
        return failed(
            f"{name} attention in float16 will overflow in "
            f"{prediction.names(layer.layer for layer in over)} of this checkpoint",
            f"{_mechanism(name, stored.head_dim)} The biases of this checkpoint put the logits "
            f"there: {prediction.described(over)}. NaN then runs through the model; where every "
            "logit is NaN, greedy decoding takes token 0, which is `!`.",
            evidence=evidence,
            fixes=fixes,
        )
    if near:
        return inconclusive(
            f"The biases of {prediction.names(layer.layer for layer in near)} bring Q·Kᵀ close to "
            f"{FP16_MAX:.0f}; a run with --level deep tells whether prompts go beyond",
            evidence=evidence,
        )
    return passed(
        f"{name} attention would overflow in float16, but this checkpoint's biases do not get "
        "there",
        prediction.immunity(stored),
        evidence=evidence,
    )


def _mechanism(name: str, head_dim: int) -> str:
    return (
        f"{name} multiplies Q by Kᵀ in float16 before it divides by the square root of the head "
        f"size; beyond {FP16_MAX / head_dim**0.5:.0f} after the division the product is infinite."
    )


def _warning(stored: KeyBiasFacts | None) -> str:
    """What float16 would do to this checkpoint."""
    over = (
        [layer.layer for layer in stored.of("text") if prediction.overflows(layer)]
        if (stored)
        else []
    )
    if not over:
        return ""
    return f"; in float16 eager attention would overflow in {prediction.names(over)}"


def _spoiled(facts: DriftFacts, cell: Cell) -> bool:
    return cell.nonfinite > 0 or drifts(cell.error, sound_error(facts, cell))


def _evidence(facts: DriftFacts) -> dict[str, Any]:
    largest = {}
    for name in ("eager", "sdpa", CURE, "flash_attention_2"):
        cells = facts.of(name, "float16")
        if cells:
            sound = [cell.offset for cell in cells if not cell.nonfinite]
            largest[name] = max(sound, default=None)
    return {
        "largest_finite_offset_in_float16": largest,
        "products_overflow_from_offset": round(FP16_MAX / facts.head_dim**0.5)
        if facts.head_dim
        else None,
        "device": facts.device_name or facts.device,
    }
