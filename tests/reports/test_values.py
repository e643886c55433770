"""Evidence becomes readable numbers, tables and lists."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qvl_reports.tables import table
from qvl_reports.values import MAX_ROWS, Items, Leaf, Pairs, Rows, number, shape, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9999, "9999"),
        (14400, "14,400"),
        (-25_769_803_776, "-25,769,803,776"),
        (0.4127, "0.4127"),
        (1e-9, "1e-09"),
        (2.0, "2"),
        (1 / 3, "0.333333"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (24 * 1024**3, "24 GiB (25,769,803,776 bytes)"),
        (6_635_520_000, "6.18 GiB (6,635,520,000 bytes)"),
        (57_344, "56 KiB (57,344 bytes)"),
        (-2048, "-2 KiB (-2048 bytes)"),
        (100, "100 bytes"),
    ],
)
def test_sizes_in_binary_units_with_the_exact_number(value: int, text: str) -> None:
    assert size(value) == text


def test_only_a_key_that_says_bytes_makes_a_size() -> None:
    assert shape(2048, "free_bytes") == Leaf("2 KiB (2048 bytes)", "number")
    assert shape(2048, "bytes_per_token") == Leaf("2 KiB (2048 bytes)", "number")
    assert shape(2048, "megabytes") == Leaf("2048", "number")
    assert shape(2048, "offset") == Leaf("2048", "number")


def test_the_unit_of_a_mapping_holds_for_its_values() -> None:
    shaped = shape({"free_bytes": {"cuda:0": 2048}})
    assert isinstance(shaped, Pairs)
    inner = shaped.rows[0][1]
    assert isinstance(inner, Pairs)
    assert inner.rows == (("cuda:0", Leaf("2 KiB (2048 bytes)", "number")),)


def test_records_become_a_table_with_gaps_where_a_field_is_missing() -> None:
    shaped = shape([{"name": "eager", "error": 0.5}, {"name": "sdpa", "note": None}])
    assert shaped == Rows(
        ("name", "error", "note"),
        (
            (Leaf("eager"), Leaf("0.5", "number"), Leaf("", "missing")),
            (Leaf("sdpa"), Leaf("", "missing"), Leaf("—", "missing")),
        ),
    )


def test_a_mapping_of_records_becomes_a_table_with_the_keys_in_front() -> None:
    shaped = shape({"torch": {"version": "2.13"}, "numpy": {"version": "2.4"}})
    assert isinstance(shaped, Rows)
    assert shaped.columns == ("", "version")
    assert [row[0].text for row in shaped.rows] == ["torch", "numpy"]


def test_lists() -> None:
    assert shape([1, 2, 3]) == Leaf("1, 2, 3", "number")
    assert shape([]) == Leaf("none", "missing")
    assert isinstance(shape(["x" * 100, "y" * 100]), Items)
    assert isinstance(shape([1, {"a": {"b": 1}}]), Items)


def test_long_data_is_cut_and_says_so() -> None:
    shaped = shape([{"a": place} for place in range(MAX_ROWS + 7)])
    assert isinstance(shaped, Rows)
    assert (len(shaped.rows), shaped.hidden) == (MAX_ROWS, 7)
    assert "and 7 more rows in the data" in table([{"a": 1}] * (MAX_ROWS + 7), "x")


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(json_data)
def test_any_json_has_a_shape_and_a_table(value: Any) -> None:
    table(value, "label")


def test_very_deep_data_does_not_end_the_report() -> None:
    value: Any = 1
    for _ in range(400):
        value = {"x": [value]}
    assert "x" in table(value, "label")
