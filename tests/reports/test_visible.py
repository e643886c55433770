"""Hidden characters are spelled out; everything else stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings

from qvl_reports.visible import one_line, shorten, visible

from .hostility import any_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\x00b\x7f\x9b", "a\\x00b\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udce9", "\\udce9"),
        ("\U000e0041", "\\U000e0041"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
    ],
)
def test_what_hides_is_spelled(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize("text", ["tab\tand\nline", "显存不足", "café", "Q·Kᵀ ≤ 1680×1680", "👩‍🔬"])
def test_what_is_meant_to_be_seen_stays(text: str) -> None:
    assert visible(text) == text


@settings(deadline=None)
@given(any_text)
def test_nothing_hidden_is_left(text: str) -> None:
    shown = visible(text)
    shown.encode()
    left = {one for one in shown if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")}
    assert left <= {"\t", "\n"}


@settings(deadline=None)
@given(any_text)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


def test_shorten_says_how_much_is_missing() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("a" * 1503, 3) == "aaa… (1,500 more characters)"
