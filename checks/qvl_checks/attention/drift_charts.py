"""Pictures of the drift measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.drift_verdict import FLOOR
from qvl_checks.attention.model_drift_facts import ModelDriftFacts
from qvl_doctor.findings import Chart, Series

ERROR = "relative L2 error of the output"
TYPICAL_OFFSET = 64.0
Emphasis = Literal["normal", "bad", "good"]


def drift_charts(attention: DriftFacts, model: ModelDriftFacts, dtype: str) -> Iterator[Chart]:
    """Over the offset, over the length, and through a model; those for which there are points."""
    lengths = Counter(cell.length for cell in attention.cells if cell.dtype == dtype)
    if lengths:
        usual = lengths.most_common(1)[0][0]
        yield _chart(
            f"Attention error over the logit offset ({dtype}, {usual} keys)",
            "offset of every logit",
            ERROR,
            _by_implementation(attention, dtype, lambda cell: cell.length == usual, "offset"),
        )
    if len(lengths) > 1:
        yield _chart(
            f"Attention error over the length ({dtype}, offset {TYPICAL_OFFSET:g})",
            "keys",
            ERROR,
            _by_implementation(
                attention, dtype, lambda cell: cell.offset == TYPICAL_OFFSET, "length"
            ),
        )
    if model.cells:
        yield _through_model(model)


def _by_implementation(
    facts: DriftFacts, dtype: str, wanted: Callable[[Cell], bool], axis: str
) -> Iterator[Series]:
    for name in facts.origins:
        points = tuple(
            (float(getattr(cell, axis)), cell.error)
            for cell in facts.of(name, dtype)
            # A logarithmic axis has no zero.
            if wanted(cell) and getattr(cell, axis) > 0
        )
        if points:
            yield Series(name=name, points=points, emphasis=_emphasis(name))


def _through_model(facts: ModelDriftFacts) -> Chart:
    names = list(dict.fromkeys(cell.implementation for cell in facts.cells))
    title = f"Error of a small model's next-token logits ({facts.dtype})"
    what = "relative L2 error against float32"
    if len({cell.offset for cell in facts.cells}) > 2:
        series = (
            Series(
                name=name,
                points=tuple(
                    (cell.offset, cell.from_float32.error)
                    for cell in facts.of(name)
                    if cell.offset > 0
                ),
                emphasis=_emphasis(name),
            )
            for name in names
        )
        return _chart(title, "offset planted in the first and last layers", what, series)
    offset = max(cell.offset for cell in facts.cells)
    bars = tuple(
        Series(
            name=name,
            points=((name, cell.from_float32.error),),
            emphasis=_emphasis(name),
        )
        for name in names
        for cell in facts.of(name)
        if cell.offset == offset
    )
    return Chart(
        kind="bar",
        title=f"{title}, offset {offset:.0f}",
        x="implementation",
        y=what,
        series=bars,
        threshold=FLOOR,
        threshold_label="5 %",
    )


def _chart(title: str, x: str, y: str, series: Iterator[Series]) -> Chart:
    return Chart(
        kind="line",
        title=title,
        x=x,
        y=y,
        series=tuple(series),
        log_x=True,
        log_y=True,
        threshold=FLOOR,
        threshold_label="5 %",
    )


def _emphasis(name: str) -> Emphasis:
    return {"eager": "bad", CURE: "good"}.get(name, "normal")  # type: ignore[return-value]
