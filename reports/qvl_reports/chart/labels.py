"""Text in a chart: how wide it is, where it breaks, and how labels keep clear of each other."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from qvl_reports.visible import one_line

FONT = 12.0
LINE = 14.0
NARROW = 0.57
"""Mean width of a letter in ems; a Chinese character takes a little more than one."""


def width(text: str) -> float:
    """Estimated width in pixels at the charts' font size."""
    if text.isascii():
        return FONT * len(text) * NARROW
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return FONT * (wide * 1.02 + (len(text) - wide) * NARROW)


def wrap(text: str, limit: float, lines: int = 3) -> list[str]:
    """At most ``lines`` lines that fit ``limit`` pixels; what does not fit ends in an ellipsis."""
    wrapped = [""]
    for word in one_line(text[: int(limit) * lines + 1]).split(" "):
        longer = f"{wrapped[-1]} {word}".strip()
        if width(longer) <= limit:
            wrapped[-1] = longer
        elif wrapped[-1]:
            wrapped.append(word)
        else:
            wrapped[-1] = word
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], " ".join(wrapped[lines - 1 :])]
    return [clip(line, limit) for line in wrapped]


def clip(text: str, limit: float) -> str:
    """One line of at most ``limit`` pixels."""
    if len(text) * FONT * NARROW <= limit and width(text) <= limit:
        return text
    text = text[: int(limit / FONT / NARROW) + 1]
    while text and width(text + "…") > limit:
        text = text[:-1]
    return text + "…"


def spread(
    wished: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Centres as near to the wished ones as possible, without overlap, within low to high.

    When they do not all fit, they are packed from ``low`` on.
    """
    order = sorted(range(len(wished)), key=lambda index: wished[index])
    centres = [0.0] * len(wished)
    edge = low
    for index in order:
        centres[index] = max(wished[index], edge + heights[index] / 2)
        edge = centres[index] + heights[index] / 2
    edge = max(high, low + sum(heights))
    for index in reversed(order):
        centres[index] = min(centres[index], edge - heights[index] / 2)
        edge = centres[index] - heights[index] / 2
    return centres


def clear(places: Sequence[float], texts: Sequence[str], gap: float = 8.0) -> list[bool]:
    """Which centred labels to print so that none touches the one before; the last one wins."""
    shown = [False] * len(places)
    edge = float("inf")
    for index in sorted(range(len(places)), key=lambda index: -places[index]):
        half = width(texts[index]) / 2
        if places[index] + half + gap <= edge:
            shown[index] = True
            edge = places[index] - half
    return shown
