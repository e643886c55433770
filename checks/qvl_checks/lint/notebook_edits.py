"""Edits of notebook cells, made in the text of the file: the source of a cell changes, and every
other byte of the JSON stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from .source import Unreadable

DECODER = json.JSONDecoder()
SPACE = re.compile(r"[ \t\r\n]*")
CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)
"""One character of a JSON string as it is written."""


class Piece(NamedTuple):
    """A JSON string that holds a part of a cell."""

    start: int
    """Where it starts in the text, behind its opening quote."""
    end: int
    """Where its closing quote is."""
    value: str


class Body(NamedTuple):
    """The source of a code cell as it is written."""

    pieces: list[Piece]
    listed: bool
    """A list of lines, not one string."""

    @property
    def text(self) -> str:
        """The code."""
        return "".join(piece.value for piece in self.pieces)


def bodies(text: str) -> dict[int, Body]:
    """The code cells of a notebook by their number, from 1. Raises Unreadable."""
    try:
        top = dict(_members(text, SPACE.match(text).end()))  # type: ignore[union-attr]
        at = top["cells"] if "cells" in top else _first_sheet(text, top)
        found: dict[int, Body] = {}
        for number, cell in enumerate(_elements(text, at), start=1):
            members = dict(_members(text, cell))
            source = members.get("source", members.get("input"))
            if source is not None and _value(text, members["cell_type"]) == "code":
                found[number] = _body(text, source)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Unreadable("is not a notebook that can be edited") from error
    return found


def _first_sheet(text: str, top: dict[str, int]) -> int:
    return dict(_members(text, next(_elements(text, top["worksheets"]))))["cells"]


def replace_source(text: str, body: Body, code: str) -> str:
    """The text of the notebook with other code in a cell that is written at `body`."""
    if not body.listed:
        (piece,) = body.pieces
        return text[: piece.start] + _rewritten(text, piece, code) + text[piece.end :]
    lines = _lines(code)
    old = body.pieces
    first = _common([piece.value for piece in old], lines)
    rest = min(len(old), len(lines)) - first
    last = min(rest, _common([p.value for p in reversed(old)], list(reversed(lines))))
    gone, fresh = old[first : len(old) - last], lines[first : len(lines) - last]
    if len(gone) == len(fresh):
        for piece, line in zip(reversed(gone), reversed(fresh), strict=True):
            text = text[: piece.start] + _rewritten(text, piece, line) + text[piece.end :]
        return text
    between = text[old[0].end + 1 : old[1].start - 1] if len(old) > 1 else ", "
    ascii_only = text[old[0].start : old[-1].end].isascii()
    new = between.join(f'"{_written(line, ascii_only)}"' for line in fresh)
    start, end = old[0].start - 1, old[-1].end + 1
    if gone:
        start, end = gone[0].start - 1, gone[-1].end + 1
    elif first:
        start = end = old[first - 1].end + 1
    else:
        end = start
    if not new and first:
        start = old[first - 1].end + 1
    elif not new and last:
        end = old[len(old) - last].start - 1
    elif not gone:
        new = between + new if first else new + between
    return text[:start] + new + text[end:]


def _lines(code: str) -> list[str]:
    """Code as notebooks store it: a string per line, each with what ends it."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", code)


def _common(left: list[str], right: list[str]) -> int:
    """How many elements two lists share at their beginning."""
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return same


def _rewritten(text: str, piece: Piece, value: str) -> str:
    """A string as it is written, changed only where its value changes."""
    raw = CHARACTER.findall(text[piece.start : piece.end])
    old = list(piece.value)
    if len(raw) != len(old):  # lone surrogates
        return _written(value, ascii_only=True)
    new = list(value)
    first = _common(old, new)
    rest = min(len(old), len(new)) - first
    last = min(rest, _common(old[::-1], new[::-1]))
    ascii_only = text[piece.start : piece.end].isascii()
    middle = _written("".join(new[first : len(new) - last]), ascii_only)
    return "".join([*raw[:first], middle, *raw[len(raw) - last :]])


def _written(value: str, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)[1:-1]


def _body(text: str, at: int) -> Body:
    if text[at] == '"':
        return Body([_piece(text, at)], False)
    return Body([_piece(text, element) for element in _elements(text, at)], True)


def _piece(text: str, at: int) -> Piece:
    if text[at] != '"':
        raise ValueError
    value, end = DECODER.raw_decode(text, at)
    return Piece(at + 1, end - 1, value)


def _value(text: str, at: int) -> object:
    return DECODER.raw_decode(text, at)[0]


def _after(text: str, at: int) -> int:
    """Where something follows, behind white space."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The names in the object at a place, and where their values start. Raises ValueError."""
    if text[at] != "{":
        raise ValueError
    at = _after(text, at + 1)
    while text[at] != "}":
        name, at = DECODER.raw_decode(text, at)
        at = _after(text, _after(text, at) + 1)
        yield name, at
        at = _after(text, DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after(text, at + 1)


def _elements(text: str, at: int) -> Iterator[int]:
    """Where the elements of the array at a place start. Raises ValueError."""
    if text[at] != "[":
        raise ValueError
    at = _after(text, at + 1)
    while text[at] != "]":
        yield at
        at = _after(text, DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after(text, at + 1)
