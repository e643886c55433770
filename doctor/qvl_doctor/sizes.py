"""Sizes as people write them: ``24GiB``, ``1680x1680``, ``1280x720x64``."""

from __future__ import annotations

import re

import click

UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    UNITS[f"{_letter}ib"] = 1024**_power
    UNITS[f"{_letter}b"] = 1000**_power


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """``24GiB`` (1024-based), ``24GB`` (1000-based) or plain bytes -> int, ``least`` or more."""

    name = "size"

    def __init__(self, *, least: int = 1) -> None:
        self._least = least

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse one value."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s?([a-zA-Z]{0,3})", str(value).strip())
        unit = UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None or float(match[1]) * unit < self._least:
            self.fail(f"{value!r} is not a size; write it as 24GiB", param, ctx)
        return int(float(match[1]) * unit)


class Pixels(click.ParamType):  # type: ignore[type-arg]
    """``WIDTHxHEIGHT`` in pixels -> (width, height)."""

    name = "WxH"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse one value."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})\s?[x×X*]\s?(\d{1,6})", str(value).strip())
        if match is None or not int(match[1]) or not int(match[2]):
            self.fail(f"{value!r} is not an image size; write it as 1680x1680", param, ctx)
        return int(match[1]), int(match[2])


class Frames(click.ParamType):  # type: ignore[type-arg]
    """``WIDTHxHEIGHTxFRAMES`` -> (width, height, frames)."""

    name = "WxHxFRAMES"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        """Parse one value."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(
            r"(\d{1,6})\s?[x×X*]\s?(\d{1,6})\s?[x×X*]\s?(\d{1,6})", str(value).strip()
        )
        numbers = [int(number) for number in match.groups()] if match else []
        if not numbers or not all(numbers):
            self.fail(f"{value!r} is not a video's size; write it as 1280x720x64", param, ctx)
        return numbers[0], numbers[1], numbers[2]


class Attention(click.ParamType):  # type: ignore[type-arg]
    """``sdpa``, or one name per part of the model: ``vision=sdpa,text=eager``."""

    name = "NAME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Check the form; which names exist is for the target to say."""
        text = "".join(str(value).split())
        parts = [part.partition("=")[::2] for part in text.split(",")]
        if "=" not in text and "," not in text and text:
            return text
        named = [key for key, _ in parts]
        if not set(named) <= {"vision", "text"} or len(named) > len(set(named)):
            self.fail(
                f"{value!r} is no implementation; write sdpa, or vision=sdpa,text=eager",
                param,
                ctx,
            )
        if not all(name for _, name in parts):
            self.fail(f"{value!r} names a part without an implementation", param, ctx)
        return text


BYTES = Bytes()
BYTES_OR_NONE = Bytes(least=0)
PIXELS = Pixels()
FRAMES = Frames()
ATTENTION = Attention()
