"""From a buffer's size back to patches and tokens: known answers, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qvl_checks.memory.inversion import (
    Dimensions,
    consistent,
    invert,
    most_patches,
)
from qvl_checks.memory.oom_message import GIB, requests_of
from qvl_checks.models.catalogue import published_config

QWEN_7B = Dimensions.of(published_config("Qwen2.5-VL-7B"))


def printed(size: int) -> str:
    """The allocator's message for a tensor of this size: rounded up to 2 MiB, two decimals."""
    return f"Tried to allocate {requests_of(size)[-1] / GIB:.2f} GiB."


def test_dimensions_of_flat_and_nested_configs() -> None:
    assert Dimensions(vision_heads=16, text_heads=28, vocabulary=152064, patch=14) == QWEN_7B
    nested = Dimensions.of(published_config("Qwen3-VL-8B"))
    assert nested == Dimensions(vision_heads=16, text_heads=32, vocabulary=151936, patch=16)
    assert Dimensions.of({"vision_config": None, "text_config": []}) == Dimensions()


@pytest.mark.parametrize(
    ("message", "patches", "width"),
    [
        ("Tried to allocate 12.20 GiB", 14308, 4),
        ("Tried to allocate 27.08 GiB", 21316, 4),
        ("Tried to allocate 128.00 GiB", 65536, 2),
        ("Tried to allocate 12.36 GiB", 14400, 4),
    ],
)
def test_vision_scores(message: str, patches: int, width: int) -> None:
    known = consistent(invert(message, QWEN_7B), patches=[patches])
    assert [(reading.width, count) for reading, count in known] == [(width, patches)]


def test_text_scores() -> None:
    known = consistent(invert("Tried to allocate 12.70 GiB", QWEN_7B), patches=[5476], tokens=11032)
    assert [(reading.kind, reading.width, count) for reading, count in known] == [
        ("text", 4, 11032)
    ]
    assert known[0][0].formula(11032) == "28 heads × 11032 × 11032 tokens × 4 B"


def test_exact_bytes_have_one_solution() -> None:
    size = 16 * 14308**2 * 4
    assert size == 13_102_007_296
    [reading] = invert(size, Dimensions(vision_heads=16))
    assert (reading.unique, reading.width) == (14308, 4)
    assert reading.size(14308) == size


def test_exact_bytes_that_nothing_makes_have_none() -> None:
    assert invert(13_102_007_297, QWEN_7B) == ()


def test_a_message_allows_a_few_counts() -> None:
    fp32, half = invert("Tried to allocate 12.20 GiB", Dimensions(vision_heads=16))
    assert fp32.allows(14308) and not fp32.allows(14307) and not fp32.allows(14320)
    assert fp32.high - fp32.low <= 8
    assert fp32.step == 4
    assert half.low > fp32.high


def test_all_images_together_on_old_releases() -> None:
    size = 16 * (3 * 4900) ** 2 * 4
    assert consistent(invert(size, QWEN_7B), patches=[4900] * 3)
    assert not consistent(invert(size, QWEN_7B), patches=[4900] * 2)


def test_logits() -> None:
    size = 2 * 3629 * 152064 * 2
    [(reading, count)] = consistent(invert(size, QWEN_7B, batch=2), tokens=3629, batch=2)
    assert (reading.kind, count) == ("logits", 3629)
    assert reading.formula(count) == "2 × 3629 tokens × 152064 words × 2 B"


def test_a_small_request_tells_nothing_about_its_tensor() -> None:
    assert invert("Tried to allocate 20.00 MiB", QWEN_7B) == ()


def test_text_without_a_size_has_no_reading() -> None:
    assert invert("RuntimeError: out of memory", QWEN_7B) == ()


@given(
    patches=st.integers(150, 16_384).map(lambda quarter: 4 * quarter),
    heads=st.sampled_from([12, 16]),
    width=st.sampled_from([2, 4]),
)
def test_round_trip_of_vision_scores(patches: int, heads: int, width: int) -> None:
    size = heads * patches**2 * width
    assume(size >= 32 * 2**20)
    for amount in (size, printed(size)):
        readings = [r for r in invert(amount, Dimensions(vision_heads=heads)) if r.width == width]
        assert [r.allows(patches) for r in readings] == [True]


@given(
    tokens=st.integers(600, 40_000),
    heads=st.sampled_from([12, 16, 28, 40, 64]),
    width=st.sampled_from([2, 4]),
    batch=st.integers(1, 8),
)
def test_round_trip_of_text_scores(tokens: int, heads: int, width: int, batch: int) -> None:
    size = batch * heads * tokens**2 * width
    assume(size >= 32 * 2**20)
    for amount in (size, printed(size)):
        readings = invert(amount, Dimensions(text_heads=heads), batch=batch)
        assert any(r.width == width and r.allows(tokens) for r in readings)


@given(tokens=st.integers(200, 100_000), width=st.sampled_from([2, 4]))
def test_round_trip_of_logits(tokens: int, width: int) -> None:
    size = tokens * 152064 * width
    assume(size >= 32 * 2**20)
    for amount in (size, printed(size)):
        readings = invert(amount, Dimensions(vocabulary=152064))
        assert any(r.width == width and r.allows(tokens) for r in readings)


@given(room=st.integers(0, 80 * GIB), heads=st.integers(1, 32))
def test_most_patches_is_the_largest_that_fits(room: int, heads: int) -> None:
    patches = most_patches(room, heads, "bfloat16")
    assert patches % 4 == 0
    assert 10 * heads * patches**2 <= room
    assert 10 * heads * (patches + 4) ** 2 > room


def test_most_patches_without_room() -> None:
    assert most_patches(-1, 16, "float16") == 0


def test_the_nearest_count_is_one_that_the_size_allows() -> None:
    text = "Tried to allocate 12.20 GiB"
    for candidate in invert(text, Dimensions(vision_heads=16, text_heads=28, vocabulary=152_064)):
        count = candidate.nearest(round(12.20 * GIB))
        assert candidate.allows(count)
    [wide, _] = invert(text, Dimensions(vision_heads=16))
    assert wide.nearest(round(12.20 * GIB)) == 14308
