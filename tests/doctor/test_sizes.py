"""Sizes as people write them."""

from __future__ import annotations

import click
import pytest

from qvl_doctor.sizes import ATTENTION, BYTES, BYTES_OR_NONE, FRAMES, PIXELS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24GiB", 24 * 2**30),
        ("24 gib", 24 * 2**30),
        ("24GB", 24 * 10**9),
        ("23.5GiB", int(23.5 * 2**30)),
        ("512MiB", 2**29),
        ("1000", 1000),
    ],
)
def test_bytes(text: str, expected: int) -> None:
    assert BYTES.convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "0", "24 gigs", "1e9", "9" * 40, "٣GiB" * 9])
def test_bad_bytes(text: str) -> None:
    with pytest.raises(click.BadParameter):
        BYTES.convert(text, None, None)


@pytest.mark.parametrize("text", ["1680x1365", "1680×1365", "1680*1365", "1680 x 1365"])
def test_pixels(text: str) -> None:
    assert PIXELS.convert(text, None, None) == (1680, 1365)


@pytest.mark.parametrize("text", ["", "1680", "0x10", "x", "1680x", "-1x5", "1e3x5"])
def test_bad_pixels(text: str) -> None:
    with pytest.raises(click.BadParameter):
        PIXELS.convert(text, None, None)


def test_frames() -> None:
    assert FRAMES.convert("1280x720x64", None, None) == (1280, 720, 64)


@pytest.mark.parametrize("text", ["", "1280x720", "1280x720x0", "axbxc", "1x2x3x4"])
def test_bad_frames(text: str) -> None:
    with pytest.raises(click.BadParameter):
        FRAMES.convert(text, None, None)


@pytest.mark.parametrize("text", ["sdpa", "flash_attention_2", "vision=sdpa,text=eager"])
def test_attention(text: str) -> None:
    assert ATTENTION.convert(text, None, None) == text


def test_attention_with_spaces() -> None:
    assert ATTENTION.convert("vision=sdpa, text=eager", None, None) == "vision=sdpa,text=eager"


@pytest.mark.parametrize(
    "text", ["", "sdpa,eager", "visual=sdpa", "vision=", "vision=sdpa,vision=eager"]
)
def test_bad_attention(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ATTENTION.convert(text, None, None)


def test_nothing_is_a_size_where_it_may_be() -> None:
    assert BYTES_OR_NONE.convert("0", None, None) == 0
    assert BYTES_OR_NONE.convert("0GiB", None, None) == 0
    with pytest.raises(click.BadParameter):
        BYTES.convert("0", None, None)
