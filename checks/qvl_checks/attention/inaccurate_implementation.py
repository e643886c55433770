"""attention.inaccurate-implementation: which implementations are as good as float32 logits?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.flash_attn_wheels import USE_SDPA
from qvl_checks.attention.numerics_charts import numerics_charts
from qvl_checks.attention.numerics_facts import Input, NumericsFacts, NumericsRow
from qvl_checks.attention.numerics_verdict import (
    FACTOR,
    ROUNDS_LOGITS,
    Summary,
    summaries,
    worst_broken,
)
from qvl_checks.host.cuda import NO_CUDA
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

SWITCHES = {
    "sdpa:flash": "flash",
    "sdpa:efficient": "mem_efficient",
    "sdpa:cudnn": "cudnn",
    "sdpa:math": "math",
}
"""Backend -> its name in ``torch.backends.cuda.enable_..._sdp``."""


@check("attention.inaccurate-implementation")
def inaccurate_implementation(numerics: NumericsFacts, workload: WorkloadFacts) -> Judgement:
    """Fails when an implementation is worse than what it is known for, or ends its process.

    That eager rounds the logits is no surprise and is judged by attention.eager-precision-drift.
    """
    lines = list(summaries(numerics))
    if not lines and not numerics.ended:
        return inconclusive("No implementation could be measured", evidence=_evidence(numerics, []))
    evidence = _evidence(numerics, lines)
    charts = tuple(numerics_charts(numerics, workload.dtype))
    wrong = worst_broken(numerics)
    faults = [
        *(_wrong_words(name, *pair) for name, pair in wrong.items()),
        *(f"{name} {_ended_words(one.status)}" for name, one in numerics.ended.items()),
    ]
    if faults:
        return failed(
            faults[0] if len(faults) == 1 else f"{faults[0]}; {len(faults) - 1} more",
            f"Measured against float32 logits on the same tensors: {'; '.join(faults)}. "
            + "".join(f"{name}: {one.reason}. " for name, one in numerics.ended.items())
            + _good_words(lines),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=_fixes([*wrong, *numerics.ended], lines),
            charts=charts,
        )
    words = (_unmeasured_words(numerics, lines), _coarse_words(lines), _storing_words(numerics))
    if numerics.device == "cpu" and numerics.device_reason not in ("", NO_CUDA):
        return inconclusive(
            f"Attention was measured on the CPU only, beside a GPU: {numerics.device_reason}. "
            f"{_good_words(lines)}",
            evidence=evidence,
        )
    return passed(
        _good_words(lines),
        " ".join(part for part in words if part),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        charts=charts,
    )


def _good_words(lines: list[Summary]) -> str:
    measured = dict.fromkeys(line.implementation for line in lines)
    bad = {line.implementation for line in lines if not line.as_good}
    named = [name for name in measured if name not in bad]
    if not named:
        return "No implementation is as good as float32 logits here"
    return f"As good as float32 logits in both towers: {', '.join(named)}"


def _unmeasured_words(facts: NumericsFacts, lines: list[Summary]) -> str:
    measured = {line.implementation for line in lines}
    reasons = {
        name: next((why for case, why in facts.missing.items() if case.startswith(name)), "")
        for name in facts.origins
        if name not in measured
    }
    reasons.update(facts.unusable)
    parts = [f"{name} ({why[:200]})" if why else name for name, why in reasons.items()]
    return f"Installed, but not measured: {'; '.join(parts)}." if parts else ""


def _coarse_words(lines: list[Summary]) -> str:
    parts = [
        f"{line.implementation} in {line.dtype} ({line.tower}) has up to {line.times:g} times the "
        f"error of float32 logits, from offset {line.first_offset:g} on"
        for line in lines
        if not line.as_good and line.times is not None and line.first_offset is not None
    ]
    return f"Not as good: {'; '.join(parts)}." if parts else ""


def _storing_words(facts: NumericsFacts) -> str:
    stored = [
        given
        for given in facts.inputs
        if given.content and given.tower == "text" and given.storing_error is not None
    ]
    if not stored:
        return ""
    largest = max(stored, key=lambda given: given.storing_error or 0.0)
    return (
        f"Storing the keys in {largest.dtype} costs {largest.storing_error:.0%} at offset "
        f"{largest.offset:g} where the channel of the offset carries content too; no "
        "implementation gives that back."
    )


def _wrong_words(name: str, given: Input, row: NumericsRow) -> str:
    where = f"{given.tower} tower, {given.layout}, {given.dtype}, {given.length} tokens of "
    where += f"{given.width}, offset {given.offset:g}"
    if row.error is None:
        return f"{name} gives values that are not finite ({where})"
    if given.float32_logits_error and row.error > FACTOR * given.float32_logits_error:
        size = f"an error of {row.error:.2g} where float32 logits have "
        return f"{name} has {size}{given.float32_logits_error:.2g} ({where})"
    return f"{name} is wrong by {row.worst_row:.2g} in its worst token ({where})"


def _ended_words(status: str) -> str:
    return "does not come back" if status == "timed_out" else "ends its process"


def _fixes(faulty: list[str], lines: list[Summary]) -> Iterator[Fix]:
    sound = {line.implementation for line in lines} - set(faulty)
    sound -= {line.implementation for line in lines if not line.as_good}
    for name in faulty:
        if name in SWITCHES:
            yield Fix.edit(
                f"torch.backends.cuda.enable_{SWITCHES[name]}_sdp(False)",
                summary=f"Keeps torch from taking {name}, before the model runs",
                safety=Safety.REVIEW,
            )
    if "sdpa" in sound and any(not name.startswith("sdpa") for name in faulty):
        yield USE_SDPA
    elif "sdpa" in faulty and CURE in sound:
        yield Fix.advise(
            "Use eager attention with float32 logits, which is sound here: the code is in "
            "attention.eager-precision-drift.",
            safety=Safety.REVIEW,
        )
    installed = [name for name in faulty if name.startswith("flash")]
    if installed:
        yield Fix.advise(
            f"Build or install what {', '.join(installed)} comes from again, for this torch, CUDA "
            "and GPU, without pip's cache; then run the doctor again.",
            safety=Safety.REVIEW,
        )
    if any(name in (*ROUNDS_LOGITS, CURE) for name in faulty):
        yield Fix.advise(
            "A plain matrix product is wrong here: suspect the GPU or its driver, look for ECC "
            "errors in nvidia-smi -q, and try another card.",
            safety=Safety.REVIEW,
        )


def _evidence(facts: NumericsFacts, lines: list[Summary]) -> dict[str, Any]:
    return {
        "device": facts.device_name or facts.device,
        "why_not_a_gpu": facts.device_reason,
        "torch": facts.torch,
        "table": [
            {
                "implementation": line.implementation,
                "tower": line.tower,
                "dtype": line.dtype,
                "inputs": line.inputs,
                "as_good_as_float32_logits": line.as_good,
                "largest_error": line.largest_error,
                "times_float32_logits": line.times,
                "worse_from_offset": line.first_offset,
            }
            for line in lines
        ],
        "origins": facts.origins,
        "does_not_run": {**facts.missing, **facts.unusable},
        "ended": {name: one.status for name, one in facts.ended.items()},
        "cut_short": facts.cut_short,
        "not_checked": facts.not_checked,
        "as_good_if": f"error <= {FACTOR:g} times that of float32 logits on the same tensors",
    }
