"""attention.fp16-overflow: do float16 logits leave the range that float16 can hold?"""

from __future__ import annotations

from typing import Any

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.drift_fixes import keep_eager, use_sdpa
from qvl_checks.attention.drift_verdict import drifts, overflows, sound_error
from qvl_checks.attention.model_drift_facts import ModelDriftFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

FP16_MAX = 65504


@check("attention.fp16-overflow")
def fp16_overflow(
    attention: DriftFacts, through: ModelDriftFacts, workload: WorkloadFacts
) -> Judgement:
    """Fails if a float16 workload runs an implementation that overflows where its family gets."""
    evidence = _evidence(attention)
    if workload.dtype != "float16":
        return not_applicable(
            f"The workload computes in {workload.dtype}, which holds far more than {FP16_MAX}",
            evidence=evidence,
        )
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
    if not through.has_key_bias:
        return passed(
            f"{name} attention would overflow in float16, but this family does not get there",
            "Its keys have no bias that could carry a product of a query and a key beyond 65504.",
            evidence=evidence,
        )
    hidden = all(cell.nonfinite == 0 for cell in spoiled) and all(
        cell.from_float32.nonfinite == 0 for cell in broken
    )
    what = "turns overflowing logits into zeros" if hidden else "overflows to NaN"
    return failed(
        f"{name} attention in float16 {what} at the offsets of this family",
        f"{name} multiplies Q by Kᵀ in float16 before it divides by the square root of the head "
        f"size; beyond {FP16_MAX / attention.head_dim**0.5:.0f} after the division the product is "
        "infinite. Trained models of this family get there: published float16 perplexity with "
        "eager is NaN.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=(
            *use_sdpa(through),
            Fix.advise(
                "Where the GPU computes in bfloat16 (Ampere and newer), load the model in "
                "bfloat16, as it was trained; it takes the same memory.",
                safety=Safety.REVIEW,
            ),
            *keep_eager(through),
        ),
    )


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
