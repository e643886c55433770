"""Line charts: one line per series, named where it ends, with the limit it was judged by."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeGuard

from markupsafe import Markup

from qvl_doctor.findings import Chart, Series
from qvl_reports.chart import labels
from qvl_reports.chart.scale import Axis, Value, point_axis, point_ticks, value_axis
from qvl_reports.markup import element

TOP, BOTTOM = 26.0, 44.0
MARKERS = ("circle", "square", "diamond", "triangle")
STYLES = 6
SIGN = {"normal": "", "bad": " ✗", "good": " ✓"}


class Frame(NamedTuple):
    """Where the plot is, in pixels, and its axes."""

    left: float
    right: float
    top: float
    bottom: float
    x: Axis
    y: Axis

    def at(self, x: Value, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        across = self.left + (self.right - self.left) * self.x.place(x)
        return across, self.bottom - (self.bottom - self.top) * self.y.place(y)


def draw_line(chart: Chart, width: float) -> tuple[float, list[Markup]]:
    """The height and the marks of a chart of this width."""
    xs = [x for series in chart.series for x, _y in series.points if usable(x)]
    ys = [y for series in chart.series for _x, y in series.points if finite(y)]
    limit = chart.threshold if finite(chart.threshold) else None
    y_axis = value_axis([*ys, *([] if limit is None else [limit])], chart.log_y)
    gutter = min(width * 0.3, max([labels.width(name(one)) for one in chart.series], default=0))
    names = [labels.wrap(name(one), gutter) for one in chart.series]
    needed = sum(len(lines) * labels.LINE + 4 for lines in names)
    height = max(width * 0.22 + 150, needed + TOP + BOTTOM)
    y_ticks = y_axis.ticks(5)
    left = max([labels.width(tick.label) for tick in y_ticks], default=20) + 10
    right = width - gutter - 16
    frame = Frame(left, right, TOP, height - BOTTOM, point_axis(xs, chart.log_x), y_axis)
    marks = [
        *(y_tick(frame, tick.place, tick.label) for tick in y_ticks),
        *x_ticks(frame, xs),
        axis_labels(chart, frame, width, height),
    ]
    if limit is not None:
        marks.append(threshold(chart, frame, limit))
    for place, series in enumerate(chart.series):
        marks.append(_series(frame, series, place))
    return height, [*marks, *_names(frame, chart, names)]


def name(series: Series) -> str:
    """The name of a series with a sign for what its colour says."""
    return series.name + SIGN[series.emphasis]


def finite(value: float | None) -> TypeGuard[float]:
    """Whether it can be drawn."""
    return value is not None and math.isfinite(value)


def usable(x: Value) -> bool:
    """Whether a point can stand at this x."""
    return isinstance(x, str) or math.isfinite(x)


def style(place: int, emphasis: str) -> str:
    """CSS classes of a series: colour and dashes by place, or by what it means."""
    return f"series s{place % STYLES} {emphasis}"


def _series(frame: Frame, series: Series, place: int) -> Markup:
    """A line that is broken where there is no value; there a cross stands above the plot."""
    parts: list[str] = []
    marks: list[Markup] = []
    pen = "M"
    for x, y in series.points:
        if not usable(x):
            continue
        if y is None or not math.isfinite(y):
            across, _ = frame.at(x, 0.0)
            marks.append(_cross(across, frame.top - 9 - 3 * (place % 3)))
            pen = "M"
            continue
        across, down = frame.at(x, y)
        parts.append(f"{pen}{across:.1f} {down:.1f}")
        marks.append(_marker(MARKERS[place % len(MARKERS)], across, down))
        pen = "L"
    line = element("path", d=" ".join(parts), class_="line") if parts else ""
    return element("g", line, *marks, class_=style(place, series.emphasis))


def _marker(kind: str, x: float, y: float) -> Markup:
    if kind == "circle":
        return element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.2", class_="dot")
    corners = {
        "square": ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        "diamond": ((0, -4.2), (4.2, 0), (0, 4.2), (-4.2, 0)),
        "triangle": ((0, -4), (3.8, 3), (-3.8, 3)),
    }[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return element("polygon", points=points, class_="dot")


def _cross(x: float, y: float) -> Markup:
    arms = f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7"
    return element("path", d=arms, class_="cross")


def threshold(chart: Chart, frame: Frame, limit: float) -> Markup:
    """A line across the plot at the limit, with its name."""
    _, down = frame.at(0.0, limit)
    line = element("path", d=f"M{frame.left:.1f} {down:.1f}H{frame.right:.1f}", class_="threshold")
    lines = labels.wrap(chart.threshold_label or "limit", frame.right - frame.left - 8, 2)
    room = down - frame.top > labels.LINE * len(lines)
    first = down - 5 - labels.LINE * (len(lines) - 1) if room else down + labels.LINE
    left = f"{frame.left + 4:.1f}"
    spans = [
        element("tspan", text, x=left, y=f"{first + row * labels.LINE:.1f}")
        for row, text in enumerate(lines)
    ]
    return element("g", line, element("text", *spans, class_="limit halo"))


def y_tick(frame: Frame, place: float, label: str) -> Markup:
    """A line across the plot with its value at the left."""
    down = frame.bottom - (frame.bottom - frame.top) * place
    line = element("path", d=f"M{frame.left:.1f} {down:.1f}H{frame.right:.1f}", class_="grid")
    text = element("text", label, x=f"{frame.left - 6:.1f}", y=f"{down + 4:.1f}", class_="tick end")
    return element("g", line, text)


def x_ticks(frame: Frame, xs: list[Value]) -> list[Markup]:
    """The x axis with as many values as there is room for."""
    wide = frame.right - frame.left
    ticks = point_ticks(frame.x, xs, max(2, int(wide / 70)))
    places = [frame.left + wide * tick.place for tick in ticks]
    texts = [labels.clip(tick.label, max(40.0, wide / max(1, len(ticks)))) for tick in ticks]
    shown = labels.clear(places, texts)
    marks = []
    for place, text, visible in zip(places, texts, shown, strict=True):
        line = element("path", d=f"M{place:.1f} {frame.bottom:.1f}v5", class_="axis")
        at = {"x": f"{place:.1f}", "y": f"{frame.bottom + 18:.1f}"}
        marks.append(line)
        if visible:
            marks.append(element("text", text, class_="tick middle", **at))
    marks.append(
        element("path", d=f"M{frame.left:.1f} {frame.bottom:.1f}H{frame.right:.1f}", class_="axis")
    )
    return marks


def axis_labels(chart: Chart, frame: Frame, width: float, height: float) -> Markup:
    """What the axes mean: y above the plot, x below it."""
    y = labels.clip(chart.y, width)
    x = labels.clip(chart.x, width)
    across = max(0.0, (frame.left + frame.right - labels.width(x)) / 2)
    return element(
        "g",
        element("text", y, x="0", y="11", class_="label"),
        element("text", x, x=f"{across:.1f}", y=f"{height - 6:.1f}", class_="label"),
    )


def _names(frame: Frame, chart: Chart, names: list[list[str]]) -> list[Markup]:
    """Each name beside the last value of its line, tied to it where it had to move."""
    ends = [_end(frame, series) for series in chart.series]
    heights = [len(lines) * labels.LINE + 4 for lines in names]
    centres = labels.spread([end[1] for end in ends], heights, 0.0, frame.bottom + 10)
    marks = []
    for place, (series, lines) in enumerate(zip(chart.series, names, strict=True)):
        x, y = ends[place]
        first = centres[place] - (len(lines) - 1) * labels.LINE / 2 + 4
        texts = [
            element(
                "tspan", line, x=f"{frame.right + 14:.1f}", y=f"{first + row * labels.LINE:.1f}"
            )
            for row, line in enumerate(lines)
        ]
        tie = f"M{x + 5:.1f} {y:.1f}L{frame.right + 11:.1f} {centres[place]:.1f}"
        marks.append(
            element(
                "g",
                element("path", d=tie, class_="tie"),
                element("text", *texts, class_="name"),
                class_=style(place, series.emphasis),
            )
        )
    return marks


def _end(frame: Frame, series: Series) -> tuple[float, float]:
    drawn = [(x, y) for x, y in series.points if usable(x) and y is not None and finite(y)]
    if not drawn:
        return frame.right, frame.top - 9
    return frame.at(*drawn[-1])
