"""A chart as a figure: drawn for wide and for narrow screens, described, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from qvl_doctor.findings import Chart, Series
from qvl_reports.chart.area import draw_area
from qvl_reports.chart.bar import draw_bars, text_of
from qvl_reports.chart.line import draw_line, finite, usable
from qvl_reports.chart.scale import short
from qvl_reports.markup import element
from qvl_reports.values import number
from qvl_reports.wording import count

WIDE, NARROW = 640.0, 300.0
DRAW = {"line": draw_line, "bar": draw_bars, "area": draw_area}


def figure(chart: Chart, key: str) -> Markup:
    """The figure; ``key`` makes the ids in it unique within the page."""
    described = " ".join(describe(chart))
    return element(
        "figure",
        element("figcaption", chart.title),
        _drawing(chart, WIDE, f"{key}-wide", described, "wide"),
        _drawing(chart, NARROW, f"{key}-narrow", described, "narrow"),
        *_notes(chart),
        element(
            "details",
            element("summary", "Numbers of this chart"),
            _numbers(chart),
        ),
        class_="chart",
    )


def describe(chart: Chart) -> Iterator[str]:
    """What the chart shows, in sentences, for those who cannot see it."""
    yield f"{chart.kind.capitalize()} chart of {chart.y} over {chart.x}."
    for series in chart.series:
        yield f"{series.name}: {_range(series)}."
    if chart.threshold is not None:
        yield f"{chart.threshold_label or 'The limit'} is {number(chart.threshold)}."


def _range(series: Series) -> str:
    values = [y for _x, y in series.points if y is not None and finite(y)]
    missing = len(series.points) - len(values)
    text = count(len(values), "value")
    if values:
        text += f" from {short(min(values))} to {short(max(values))}"
    return f"{text}, {missing} without a finite value" if missing else text


def _drawing(chart: Chart, width: float, key: str, described: str, kind: str) -> Markup:
    height, marks = DRAW[chart.kind](chart, width)
    return element(
        "svg",
        element("title", chart.title, id=f"{key}-title"),
        element("desc", described, id=f"{key}-desc"),
        *marks,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
        class_=f"{chart.kind} {kind}",
    )


def _notes(chart: Chart) -> Iterator[Markup]:
    points = [point for series in chart.series for point in series.points]
    if any(not finite(y) for _x, y in points):
        yield element("p", "× marks where there is no finite value, or none was measured.")
    floored = chart.log_y and any(y is not None and y <= 0 for _x, y in points)
    if floored or (chart.log_x and any(not isinstance(x, str) and x <= 0 for x, _y in points)):
        yield element("p", "Values at or below zero stand on the floor of the logarithmic axis.")


def _numbers(chart: Chart) -> Markup:
    places = dict.fromkeys(x for series in chart.series for x, _y in series.points)
    known = [dict(series.points) for series in chart.series]
    head = element(
        "tr",
        *(element("th", one, scope="col") for one in (chart.x, *(s.name for s in chart.series))),
    )
    rows = [
        element(
            "tr",
            element("th", text_of(x) if usable(x) else str(x), scope="row"),
            *(_number(values, x) for values in known),
        )
        for x in places
    ]
    grid = element("table", element("thead", head), element("tbody", *rows), class_="rows")
    return element(
        "div",
        grid,
        class_="scroll",
        role="group",
        tabindex="0",
        aria_label=f"{chart.title}: numbers",
    )


def _number(values: dict[float | str, float | None], x: float | str) -> Markup:
    if x not in values:
        return element("td", "", class_="none")
    y = values[x]
    if y is None or not finite(y):
        return element("td", "no finite value", class_="none")
    return element("td", number(y), class_="num")
