"""Wrapping text for a terminal, where Chinese characters are two columns wide."""

from __future__ import annotations

import unicodedata


def columns(text: str) -> int:
    """Columns that the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken at spaces, at wide characters, or anywhere."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if columns(joined) <= width:
            line = joined
            continue
        if line and not _wide(word):
            lines.append(line)
            line = word
        else:
            line = joined
        while columns(line) > width:
            head = _fitting(line, width)
            lines.append(line[:head].rstrip())
            line = line[head:].lstrip()
    if line or not lines:
        lines.append(line)
    return lines


def _fitting(text: str, width: int) -> int:
    """How many characters fit, ending at a space or beside a wide character when there is one."""
    used = 0
    for place, one in enumerate(text):
        used += _columns(one)
        if used > width:
            return _break(text, place)
    return len(text)


def _break(text: str, end: int) -> int:
    for place in range(end, max(0, end - 30), -1):
        if text[place] == " " or _columns(text[place]) == 2 or _columns(text[place - 1]) == 2:
            return place
    return max(1, end)


def _wide(word: str) -> bool:
    return not word.isascii() and any(_columns(one) == 2 for one in word)


def _columns(one: str) -> int:
    if one.isascii():
        return 1
    if unicodedata.combining(one) or one in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
