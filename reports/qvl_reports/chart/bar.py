"""Bar charts: a heading per category, below it one labelled bar per series."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from qvl_doctor.findings import Chart, Series
from qvl_reports.chart import labels
from qvl_reports.chart.line import finite, name, style
from qvl_reports.chart.scale import Axis, Value, short, value_axis
from qvl_reports.markup import element

HEAD, ROW, BAR, GAP = 20.0, 36.0, 10.0, 10.0


def draw_bars(chart: Chart, width: float) -> tuple[float, list[Markup]]:
    """The height and the marks of a chart of this width."""
    limit = chart.threshold if finite(chart.threshold) else None
    values = _stacks(chart) if chart.stacked else _values(chart)
    axis = value_axis([*values, *([] if limit is None else [limit])], chart.log_y, zero=True)
    marks = [element("text", labels.clip(chart.y, width), x="0", y="11", class_="label")]
    top = down = 20.0 if limit is None else 40.0
    texts: list[Markup] = []
    categories = dict.fromkeys(x for series in chart.series for x, _y in series.points)
    for category in categories:
        heading = labels.clip(text_of(category), width)
        texts.append(element("text", heading, x="0", y=f"{down + 14:.1f}", class_="category halo"))
        down += HEAD
        base = 0.0
        for place, series, value in _bars(chart, category):
            marks.append(_bar(axis, series, place, value, width, down, base))
            texts.append(_label(series, place, value, width, down))
            base += value if chart.stacked and value is not None and finite(value) else 0.0
            down += ROW
        down += GAP
    if limit is not None:
        marks.append(_threshold(chart, axis, limit, width, top, down - GAP - 6))
    return down, [*marks, *texts]


def text_of(x: Value) -> str:
    """A category's name."""
    return x if isinstance(x, str) else short(x)


def _values(chart: Chart) -> list[float]:
    return [y for series in chart.series for _x, y in series.points if y is not None and finite(y)]


def _stacks(chart: Chart) -> list[float]:
    """The end of each category's stack."""
    ends: dict[Value, float] = {}
    for series in chart.series:
        for x, y in series.points:
            ends[x] = ends.get(x, 0.0) + (y if y is not None and finite(y) else 0.0)
    return list(ends.values())


def _bars(chart: Chart, category: Value) -> Iterator[tuple[int, Series, float | None]]:
    for place, series in enumerate(chart.series):
        for x, y in series.points:
            if x == category:
                yield place, series, y


def _bar(
    axis: Axis,
    series: Series,
    place: int,
    value: float | None,
    width: float,
    down: float,
    base: float,
) -> Markup:
    """One bar on its track; ``base`` is where the stack below it ends, in the axis' unit."""
    marks = [_rect(0.0, width, down + 18, "track")]
    if value is not None and finite(value):
        start, end = axis.place(base) * width, axis.place(base + value) * width
        marks.append(_rect(min(start, end), max(1.5, abs(end - start)), down + 18, "fill"))
    return element("g", *marks, class_=style(place, series.emphasis))


def _label(series: Series, place: int, value: float | None, width: float, down: float) -> Markup:
    amount = short(value) if value is not None and finite(value) else "× no finite value"
    label = labels.clip(name(series), width - labels.width(amount) - 12)
    across = {"y": f"{down + 13:.1f}"}
    return element(
        "g",
        element("text", label, x="0", class_="name halo", **across),
        element("text", amount, x=f"{width:.1f}", class_="amount end halo", **across),
        class_=style(place, series.emphasis),
    )


def _rect(x: float, width: float, y: float, kind: str) -> Markup:
    return element(
        "rect",
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        width=f"{width:.1f}",
        height=f"{BAR:.0f}",
        rx="1.5",
        class_=kind,
    )


def _threshold(
    chart: Chart, axis: Axis, limit: float, width: float, top: float, bottom: float
) -> Markup:
    across = min(width - 1, axis.place(limit) * width)
    text = labels.clip(f"{chart.threshold_label or 'limit'}: {short(limit)}", width)
    wide = labels.width(text)
    start = min(max(0.0, across - wide / 2), max(0.0, width - wide))
    return element(
        "g",
        element("path", d=f"M{across:.1f} {top - 4:.1f}V{bottom:.1f}", class_="threshold"),
        element("text", text, x=f"{start:.1f}", y=f"{top - 9:.1f}", class_="limit"),
    )
