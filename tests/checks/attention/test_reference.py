"""The reference's own rules, against positions and layouts written out by hand."""

from __future__ import annotations

from qvl_checks.attention.reference.positions import rule_positions
from qvl_checks.attention.reference.prompts import (
    Family,
    Span,
    family_of,
    image,
    kinds_of,
    text,
    video,
)
from qvl_checks.attention.reference.vision import lay_out
from qvl_checks.models.catalogue import published_config

QWEN25 = family_of(published_config("Qwen2.5-VL-7B"))
QWEN2 = family_of(published_config("Qwen2-VL-7B"))
QWEN3 = family_of(published_config("Qwen3-VL-8B"))


def dimension(places: list[tuple[int, int, int]], index: int) -> list[int]:
    return [place[index] for place in places]


def test_text_counts_in_all_three_dimensions() -> None:
    assert rule_positions(text(3), 2) == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def test_an_image_starts_where_text_would_go_on_and_takes_its_longer_side() -> None:
    row = (Span("text", 2), Span("image", 6, (1, 4, 6)), Span("text", 2))
    places = rule_positions(row, 2)
    assert dimension(places, 0) == [0, 1, 2, 2, 2, 2, 2, 2, 5, 6]
    assert dimension(places, 1) == [0, 1, 2, 2, 2, 3, 3, 3, 5, 6]
    assert dimension(places, 2) == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6]


def test_frames_are_spaced_by_their_seconds() -> None:
    """One frame pair per 25 seconds at 2 positions a second: 0, 50, 100, and text from 101 on."""
    row = (*video(QWEN25, 3, 4, 4, 25.0), *text(3))
    places = rule_positions(row, 2)[1:]
    assert dimension(places, 0)[:12] == [1] * 4 + [51] * 4 + [101] * 4
    assert dimension(places, 1)[:4] == [1, 1, 2, 2]
    assert dimension(places, 2)[:4] == [1, 2, 1, 2]
    assert places[12:] == [(102 + index,) * 3 for index in range(4)]


def test_fractions_of_a_position_are_cut_after_they_were_added_up() -> None:
    row = video(QWEN25, 4, 2, 2, 0.75)
    assert dimension(rule_positions(row, 2), 0)[1:5] == [1, 2, 4, 5]


def test_families_differ_in_how_videos_are_written() -> None:
    assert [span.kind for span in video(QWEN2, 3, 4, 4, 2.0)] == ["text", "video", "text"]
    assert video(QWEN2, 3, 4, 4, 2.0)[1].step == 1.0
    assert video(QWEN25, 3, 4, 4, 2.0)[1].step == 4.0
    apart = [span for span in video(QWEN3, 3, 4, 4, 2.0) if span.kind == "video"]
    assert [span.grid for span in apart] == [(1, 4, 4)] * 3


def test_spans_count_merged_tokens() -> None:
    assert kinds_of(image(QWEN25, 4, 6)) == ["text", *["image"] * 6, "text"]
    assert isinstance(QWEN25, Family) and QWEN25.patch_values == 3 * 2 * 14 * 14


def test_patches_come_block_by_block_and_know_their_window() -> None:
    grid = lay_out([(1, 4, 6), (2, 2, 2)], merge=2, window=2)
    assert grid.row[:8].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert grid.column[:8].tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    # Two columns of blocks fill the first window, the third column is a window of its own.
    assert grid.window[:24:4].tolist() == [0, 0, 1, 0, 0, 1]
    # Each frame of the second grid has its own frame and its own window.
    assert grid.frame[24:].tolist() == [1] * 4 + [2] * 4
    assert grid.window[24:].tolist() == [2] * 4 + [3] * 4


def test_without_windows_a_frame_is_one() -> None:
    grid = lay_out([(2, 4, 6)], merge=2, window=0)
    assert grid.window.tolist() == grid.frame.tolist()
