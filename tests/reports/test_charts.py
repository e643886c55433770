"""Charts: where things stand, what is said about them, and data that charts do not expect."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qvl_doctor.findings import Chart, Series
from qvl_reports.chart import labels
from qvl_reports.chart.area import stacked
from qvl_reports.chart.figure import describe, figure
from qvl_reports.chart.scale import Categories, Linear, Logarithmic, short

from . import sample

PLACES = re.compile(r"-?\d+(?:\.\d+)?")


def drawn(chart: Chart) -> ElementTree.Element:
    """The figure, parsed: it must be well-formed."""
    return ElementTree.fromstring(figure(chart, "key"))


def words(chart: Chart) -> str:
    return " ".join(" ".join(drawn(chart).itertext()).split())


def test_every_series_is_named_in_the_drawing_and_not_only_in_a_legend() -> None:
    svg = drawn(sample.drift_chart()).find("svg[@class='line wide']")
    assert svg is not None
    texts = {"".join(text.itertext()) for text in svg.iter("text")}
    assert {"eager ✗", "eager, QK in fp32", "sdpa ✓", "answers change above this"} <= texts


def test_a_value_that_is_not_finite_is_marked_and_breaks_the_line() -> None:
    svg = drawn(sample.drift_chart()).find("svg[@class='line wide']")
    assert svg is not None
    bad = next(one for one in svg.iter("g") if one.get("class") == "series s0 bad")
    assert len([path for path in bad.iter("path") if path.get("class") == "cross"]) == 2
    assert len(list(bad.iter("circle"))) == 6
    assert "no finite value, or none was measured" in words(sample.drift_chart())


def test_a_gap_within_a_line_is_not_bridged() -> None:
    points = ((1.0, 1.0), (2.0, None), (3.0, 2.0), (4.0, 3.0))
    chart = Chart(kind="line", title="t", x="x", y="y", series=(Series(name="s", points=points),))
    path = next(one for one in drawn(chart).iter("path") if one.get("class") == "line")
    assert [one[0] for one in re.findall(r"[ML]", path.get("d", ""))] == ["M", "M", "L"]


def test_the_numbers_are_in_a_table_and_the_description_tells_the_range() -> None:
    root = drawn(sample.drift_chart())
    cells = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert cells[0] == ["offset of the logits", "eager", "eager, QK in fp32", "sdpa"]
    assert cells[1] == ["0", "0.004", "0.0021", "0.0019"]
    assert cells[-1] == ["256", "no finite value", "0.0031", "0.003"]
    told = " ".join(describe(sample.drift_chart()))
    assert "eager: 6 values from 0.004 to 0.41, 2 without a finite value." in told
    assert "answers change above this is 0.02." in told


def test_each_drawing_has_a_title_and_a_description_with_ids_of_its_own() -> None:
    root = drawn(sample.memory_chart())
    ids = {one.get("id") for one in root.iter() if one.get("id")}
    for svg in root.iter("svg"):
        assert svg.get("role") == "img"
        assert {svg.get("aria-labelledby"), svg.get("aria-describedby")} <= ids
    assert len(ids) == 4


def test_bars_are_as_long_as_their_values_and_the_limit_stands_where_it_belongs() -> None:
    svg = drawn(sample.memory_chart()).find("svg[@class='bar wide']")
    assert svg is not None
    fills = [float(one.get("width", 0)) for one in svg.iter("rect") if one.get("class") == "fill"]
    assert fills[1] / fills[0] == pytest.approx(27.3 / 15.45, abs=0.01)
    line = next(one for one in svg.iter("path") if one.get("class") == "threshold")
    across = float(PLACES.findall(line.get("d", ""))[0])
    assert across / fills[1] == pytest.approx(24 / 27.3, abs=0.01)
    assert "capacity of one card: 24" in "".join(svg.itertext())
    assert "× no finite value" in "".join(svg.itertext())


def test_stacked_bars_lie_end_to_end_and_their_sum_meets_the_limit() -> None:
    points = (("weights", 15.5, "normal"), ("activations", 6.5, "normal"), ("request", 6.0, "bad"))
    chart = Chart(
        kind="bar",
        title="memory",
        x="run",
        y="GiB",
        stacked=True,
        threshold=24.0,
        series=tuple(
            Series(name=name, points=(("eager", value),), emphasis=emphasis)  # type: ignore[arg-type]
            for name, value, emphasis in points
        ),
    )
    svg = drawn(chart).find("svg[@class='bar wide']")
    assert svg is not None
    bars = [one for one in svg.iter("rect") if one.get("class") == "fill"]
    starts = [float(bar.get("x", 0)) for bar in bars]
    ends = [float(bar.get("x", 0)) + float(bar.get("width", 0)) for bar in bars]
    assert starts[1:] == pytest.approx(ends[:-1], abs=0.2)
    line = next(one for one in svg.iter("path") if one.get("class") == "threshold")
    limit = float(PLACES.findall(line.get("d", ""))[0])
    assert ends[1] < limit < ends[2]


def test_linear_axis() -> None:
    axis = Linear(0, 30)
    assert [tick.label for tick in axis.ticks(5)] == ["0", "10", "20", "30"]
    assert axis.place(15) == 0.5


def test_logarithmic_axis_shows_decades_and_puts_zero_on_its_floor() -> None:
    axis = Logarithmic([1e-3, 10.0])
    assert [tick.label for tick in axis.ticks(6)] == ["0.001", "0.01", "0.1", "1", "10"]
    assert axis.place(0.1) == pytest.approx(0.5)
    floored = Logarithmic([0.0, 1e-3, 10.0])
    assert floored.place(0) == 0 < floored.place(1e-3)
    assert floored.ticks(6)[0].label == "≤ 0"


def test_names_are_spaced_evenly() -> None:
    axis = Categories(["a", "b"])
    assert (axis.place("a"), axis.place("b")) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (27.3, "27.3"), (1e-5, "1×10⁻⁵"), (2.5e9, "2.5×10⁹"), (math.inf, "inf")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(5, 40)), min_size=1, max_size=8),
)
def test_labels_never_overlap(wished: list[tuple[float, float]]) -> None:
    places, heights = [one for one, _ in wished], [height for _, height in wished]
    centres = labels.spread(places, heights, 0, 220)
    spans = sorted((c - h / 2, c + h / 2) for c, h in zip(centres, heights, strict=True))
    assert all(first[1] <= second[0] + 1e-6 for first, second in pairwise(spans))
    assert spans[0][0] >= -1e-6


@settings(deadline=None)
@given(st.text(max_size=60), st.floats(20, 200))
def test_wrapped_text_fits(text: str, limit: float) -> None:
    lines = labels.wrap(text, limit)
    assert len(lines) <= 3
    assert all(labels.width(line) <= limit for line in lines)


def area_chart() -> Chart:
    return Chart(
        kind="area",
        title="Memory",
        x="step",
        y="GiB",
        series=(
            Series(name="weights", points=((0.0, 10.0), (1.0, 10.0), (2.0, 10.0))),
            Series(name="vision", points=((0.0, 0.0), (1.0, 6.0), (2.0, 2.0))),
            Series(name="request that failed", points=((2.0, 8.0),), emphasis="bad"),
        ),
        stacked=True,
        threshold=16.0,
        threshold_label="usable",
    )


def test_bands_stand_on_each_other() -> None:
    assert stacked(area_chart()) == [
        [(0.0, 0.0, 10.0), (1.0, 0.0, 10.0), (2.0, 0.0, 10.0)],
        [(0.0, 10.0, 10.0), (1.0, 10.0, 16.0), (2.0, 10.0, 12.0)],
        [(2.0, 12.0, 20.0)],
    ]


def test_what_was_too_much_rises_above_the_limit() -> None:
    svg = drawn(area_chart()).find("svg[@class='area wide']")
    assert svg is not None
    bad = next(one for one in svg.iter("g") if one.get("class") == "series s2 bad")
    corners = [float(one.split(",")[1]) for one in bad[0].get("points", "").split()]
    line = next(one for one in svg.iter("path") if one.get("class") == "threshold")
    limit = float(line.get("d", "").split(" ")[1].split("H")[0])
    assert min(corners) < limit < max(corners)


def test_every_band_has_its_letter_in_the_key_and_in_the_drawing() -> None:
    svg = drawn(area_chart()).find("svg[@class='area wide']")
    assert svg is not None
    texts = ["".join(text.itertext()) for text in svg.iter("text")]
    assert {"A weights", "B vision", "C request that failed ✗"} <= set(texts)
    assert {"A", "B", "C"} <= set(texts)
    assert "Area chart of GiB over step." in " ".join(describe(area_chart()))


values = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 5e-324, 1.7e308, -1.7e308])
points = st.lists(st.tuples(st.floats() | st.text(max_size=8), values), max_size=8)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["line", "bar", "area"]),
    data=st.lists(points, max_size=5),
    log_x=st.booleans(),
    log_y=st.booleans(),
    threshold=values,
)
def test_any_numbers_can_be_drawn_within_the_picture(
    kind: str, data: list[list], log_x: bool, log_y: bool, threshold: float | None
) -> None:
    chart = Chart(
        kind=kind,
        title="t",
        x="x",
        y="y",
        series=tuple(Series(name=f"s{n}", points=tuple(one)) for n, one in enumerate(data)),
        log_x=log_x,
        log_y=log_y,
        threshold=threshold,
    )
    root = drawn(chart)
    for svg in root.iter("svg"):
        _, _, width, height = map(float, svg.get("viewBox", "").split())
        for mark in svg.iter("circle"):
            assert 0 <= float(mark.get("cx", -1)) <= width
            assert 0 <= float(mark.get("cy", -1)) <= height
        for mark in svg.iter("rect"):
            assert float(mark.get("x", -1)) + float(mark.get("width", 0)) <= width + 1.6
        assert "nan" not in "".join(one.get("d", "") for one in svg.iter("path"))
        for mark in svg.iter("polygon"):
            places = [float(place) for place in re.split("[ ,]", mark.get("points", ""))]
            assert all(-6 <= x <= width + 6 for x in places[::2])
            assert all(-6 <= y <= height + 6 for y in places[1::2])
