"""The installed flash-attn computes something else than attention."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_kernel_facts import FlashAttnKernelFacts, KernelRow
from qvl_checks.attention.flash_attn_wheels import USE_SDPA
from qvl_doctor.check import check
from qvl_doctor.findings import Chart, Confidence, Series
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

FACTOR = 4.0
"""How many times sdpa's error on the same tensors is no longer rounding. Sound kernels of either
kind differ from float64 by the rounding of the output (2^-9 of it in bfloat16, 2^-12 in float16),
so their errors lie within a small factor of each other."""
FLOOR = {"bfloat16": 2**-7, "float16": 2**-10}
"""Relative errors below this are rounding, whatever sdpa manages."""

DEADLY = {"crashed": "ends the process", "timed_out": "does not come back"}


@check("attention.flash-attn-wrong-results")
def flash_attn_wrong_results(kernel: FlashAttnKernelFacts) -> Judgement:
    """The kernels' answers against float64, judged by sdpa's on the same tensors."""
    if not kernel.installed:
        return not_applicable("flash-attn is not installed")
    if not kernel.ran:
        if not kernel.cuda:
            return not_applicable(f"no kernel was run: {kernel.not_run_because}")
        return blocked("flash-attn cannot be imported (attention.flash-attn-import-failed)")
    if kernel.kernel_status in DEADLY:
        return failed(
            f"flash-attn's kernel {DEADLY[kernel.kernel_status]}: {kernel.kernel_error}",
            "It was called on small random tensors in a process of its own, which did not survive "
            "it or did not come back. A program that uses it ends in the same way, usually "
            "without a traceback.",
            confidence=Confidence.MEASURED,
            evidence={"status": kernel.kernel_status, "module": sorted(kernel.modules)},
            fixes=[USE_SDPA],
        )
    if kernel.kernel_status != "ok":
        return inconclusive(f"the kernel could not be called: {kernel.kernel_error}")
    measured = [row for row in kernel.rows if not row.reason]
    wrong = [row for row in measured if _wrong(row)]
    unable = [row for row in kernel.rows if row.reason]
    evidence = {
        "module": kernel.kernel_module,
        "calls": len(kernel.rows),
        "wrong": [_words(row) for row in wrong],
        "could_not_run": sorted({f"{_words(row)}: {row.reason}" for row in unable}),
        "largest_error": max(
            (row.error for row in measured if row.error is not None), default=None
        ),
    }
    charts = [_chart(measured, dtype) for dtype in FLOOR if any(r.dtype == dtype for r in measured)]
    if wrong:
        worst = max(wrong, key=lambda row: float("inf") if row.error is None else row.error)
        size = "not finite" if worst.error is None else f"{worst.error:.1%}"
        return failed(
            f"flash-attn gives wrong results: error {size} in {_words(worst)}",
            f"{len(wrong)} of {len(measured)} calls differ from float64 far more than torch's own "
            "attention does on the same tensors.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[USE_SDPA],
            charts=charts,
        )
    if unable or not measured:
        first = unable[0] if unable else None
        return inconclusive(
            f"{len(unable)} of {len(kernel.rows)} calls could not run"
            + (f": {_words(first)}: {first.reason}" if first else ""),
            evidence=evidence,
        )
    return passed(
        f"flash-attn's kernels are right in {len(measured)} calls",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        charts=charts,
    )


def _wrong(row: KernelRow) -> bool:
    if row.error is None:
        return True
    limit = FLOOR.get(row.dtype, 0.0)
    if row.sdpa_error is not None:
        limit = max(limit, FACTOR * row.sdpa_error)
    return row.error > limit


def _words(row: KernelRow) -> str:
    causal = ", causal" if row.causal else ""
    return f"{row.function} ({row.dtype}, head size {row.head_size}{causal})"


def _chart(rows: list[KernelRow], dtype: str) -> Chart:
    """Worst error per head size, beside sdpa's."""
    sizes = sorted({row.head_size for row in rows if row.dtype == dtype})

    def points(field: str) -> tuple[tuple[float | str, float | None], ...]:
        found: list[tuple[float | str, float | None]] = []
        for size in sizes:
            values = [getattr(r, field) for r in rows if (r.dtype, r.head_size) == (dtype, size)]
            found.append((str(size), None if None in values else max(values)))
        return tuple(found)

    return Chart(
        kind="bar",
        title=f"Error of flash-attn against float64, {dtype}",
        x="head size",
        y="relative L2 error",
        series=(
            Series(name="flash-attn", points=points("error")),
            Series(name="sdpa", points=points("sdpa_error"), emphasis="good"),
        ),
        log_y=True,
        threshold=FLOOR[dtype],
        threshold_label="rounding",
    )
