"""Area charts: stacked amounts over a number, each band with its letter, the limit on top."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase

from markupsafe import Markup

from qvl_doctor.findings import Chart, Series
from qvl_reports.chart import labels
from qvl_reports.chart.line import (
    BOTTOM,
    TOP,
    Frame,
    axis_labels,
    finite,
    name,
    style,
    threshold,
    x_ticks,
    y_tick,
)
from qvl_reports.chart.scale import point_axis, value_axis
from qvl_reports.markup import element

Band = list[tuple[float, float, float]]
"""(x, lower edge, upper edge) in the units of the axes."""
ROW = 20.0
LETTER_ROOM = 13.0
"""Pixels that a band must be high for its letter to stand in it."""
MARK = 5.0
"""Half the width of the column of a single point."""


def draw_area(chart: Chart, width: float) -> tuple[float, list[Markup]]:
    """The height and the marks of a chart of this width."""
    bands = stacked(chart)
    limit = chart.threshold if finite(chart.threshold) else None
    tops = [high for band in bands for _x, _low, high in band]
    xs = [x for band in bands for x, _low, _high in band]
    y_axis = value_axis([*tops, *([] if limit is None else [limit])], False, zero=True)
    y_ticks = y_axis.ticks(5)
    left = max([labels.width(tick.label) for tick in y_ticks], default=20) + 10
    key = list(_key_rows(chart, width))
    height = width * 0.3 + 110 + ROW * len(key)
    frame = Frame(
        left, width - 12, TOP, height - BOTTOM - ROW * len(key), point_axis(xs, False), y_axis
    )
    marks = [
        *(y_tick(frame, tick.place, tick.label) for tick in y_ticks),
        *(_band(frame, series, place, bands[place]) for place, series in enumerate(chart.series)),
        *x_ticks(frame, list(xs)),
        axis_labels(chart, frame, width, frame.bottom + BOTTOM),
    ]
    if limit is not None:
        marks.append(threshold(chart, frame, limit))
    return height, [*marks, *_letters(frame, bands), *_key(chart, key, frame.bottom + BOTTOM)]


def stacked(chart: Chart) -> list[Band]:
    """The band of each series on top of those before it; what cannot be drawn counts as nothing."""
    base: dict[float, float] = {}
    bands = []
    for series in chart.series:
        band: Band = []
        for x, y in series.points:
            if isinstance(x, str) or not finite(x):
                continue
            low = base.get(x, 0.0)
            base[x] = low + (y if finite(y) and y > 0 else 0.0)
            band.append((x, low, base[x]))
        bands.append(band)
    return bands


def _band(frame: Frame, series: Series, place: int, band: Band) -> Markup:
    upper = [frame.at(x, high) for x, _low, high in band]
    lower = [frame.at(x, low) for x, low, _high in reversed(band)]
    if len(band) == 1:
        (x, top), (_, bottom) = upper[0], lower[0]
        x = min(max(x, frame.left + MARK), frame.right - MARK)
        upper, lower = [(x - MARK, top), (x + MARK, top)], [(x + MARK, bottom), (x - MARK, bottom)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *lower))
    shape = element("polygon", points=corners, class_="fill band") if corners else ""
    return element("g", shape, class_=style(place, series.emphasis))


def _letters(frame: Frame, bands: list[Band]) -> Iterator[Markup]:
    """The letter of each band where it is highest, if it is high enough there."""
    for place, band in enumerate(bands):
        if not band:
            continue
        x, low, high = max(band, key=lambda point: point[2] - point[1])
        across, top = frame.at(x, high)
        bottom = frame.at(x, low)[1]
        if bottom - top >= LETTER_ROOM:
            across = min(max(across, frame.left + 8), frame.right - 8)
            at = {"x": f"{across:.1f}", "y": f"{(top + bottom) / 2 + 4:.1f}"}
            yield element("text", _letter(place), class_="middle letter halo", **at)


def _key_rows(chart: Chart, width: float) -> Iterator[list[tuple[int, str, float]]]:
    """Rows of (place, text, where it begins)."""
    row: list[tuple[int, str, float]] = []
    across = 0.0
    for place, series in enumerate(chart.series):
        text = labels.clip(f"{_letter(place)} {name(series)}", width - 24)
        wide = 20 + labels.width(text) + 14
        if row and across + wide > width:
            yield row
            row, across = [], 0.0
        row.append((place, text, across))
        across += wide
    if row:
        yield row


def _key(chart: Chart, rows: list[list[tuple[int, str, float]]], top: float) -> Iterator[Markup]:
    for number, row in enumerate(rows):
        down = top + ROW * (number + 1) - 6
        for place, text, across in row:
            swatch = element(
                "rect",
                x=f"{across:.1f}",
                y=f"{down - 10:.1f}",
                width="12",
                height="12",
                class_="fill band",
            )
            named = element("text", text, x=f"{across + 18:.1f}", y=f"{down:.1f}")
            kind = style(place, chart.series[place].emphasis)
            yield element("g", swatch, named, class_=kind)


def _letter(place: int) -> str:
    return ascii_uppercase[place % len(ascii_uppercase)]
