"""Jupyter notebooks: the code cells as one program, with magics out of the way."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

MAGIC = re.compile(r"^\s*[%!?]|^\s*[\w.]+\?{1,2}\s*$")
ASSIGNED_MAGIC = re.compile(r"^(\s*[\w, ]+=\s*)[!%].*$")
OTHER_LANGUAGE = re.compile(
    r"^\s*%%(bash|sh|html|javascript|js|latex|markdown|writefile|script|cmd|perl|ruby|svg|system|sx|!)"
)


LINES = re.compile(r"\r\n|\r|\n")
PYTHON = re.compile(r"i?python\d*|sage|cython|$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell: its number in the notebook (from 1) and its first line in the joined text
    (from 1).
    """

    number: int
    first_line: int


class Code(NamedTuple):
    """The code of a notebook as one program."""

    text: str
    cells: tuple[Cell, ...]
    altered: frozenset[int]
    """Lines of the text that are written otherwise in their cell."""


def code_cells(text: str) -> Code:
    """The joined code of a notebook. Raises source.Unreadable."""
    from .source import Unreadable

    try:
        document = json.loads(text)
        raw = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not a notebook: {error.msg}", error.lineno) from error
    except (KeyError, IndexError, TypeError, RecursionError) as error:
        raise Unreadable("is not a notebook: it has no cells") from error
    language = _language(document)
    if language is not None and not PYTHON.match(language):
        raise Unreadable(f"is a notebook in another language, {language}")
    lines: list[str] = []
    written: list[str] = []
    cells: list[Cell] = []
    for number, cell in enumerate(raw if isinstance(raw, list) else [], start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        body = "".join(str(part) for part in source) if isinstance(source, list) else str(source)
        cells.append(Cell(number, len(lines) + 1))
        lines.extend(plain(body))
        written.extend(_lines_of(body))
    pairs = enumerate(zip(lines, written, strict=True), start=1)
    altered = frozenset(number for number, (read, stored) in pairs if read != stored)
    return Code("\n".join(lines) + "\n", tuple(cells), altered)


def _language(document: dict[str, Any]) -> str | None:
    """The language that a notebook says it is written in."""
    metadata = document.get("metadata")
    for section, name in (("language_info", "name"), ("kernelspec", "language")):
        found = metadata.get(section) if isinstance(metadata, dict) else None
        if isinstance(found, dict) and isinstance(found.get(name), str):
            return str(found[name])[:40]
    return None


def _lines_of(body: str) -> list[str]:
    return LINES.split(body.rstrip("\r\n"))


def plain(body: str) -> list[str]:
    """The lines of a cell as Python, one for one; magics become `pass` or None."""
    lines = _lines_of(body)
    if OTHER_LANGUAGE.match(lines[0]):
        return ["pass"] + [""] * (len(lines) - 1)
    result: list[str] = []
    continued = False
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        if continued:
            continued = line.rstrip().endswith("\\")
            result.append("")
        elif MAGIC.match(line):
            continued = line.rstrip().endswith("\\")
            result.append(f"{indent}pass")
        elif assigned := ASSIGNED_MAGIC.match(line):
            result.append(f"{assigned.group(1)}None")
        else:
            result.append(
                re.sub(r"\bawait (?=\w)", "", line)
                if not indent and line.lstrip().startswith("await ")
                else line
            )
    return result
