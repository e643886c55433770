"""Files to text: encodings, notebooks, and what cannot be read."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from .notebook import Cell, code_cells

MAX_BYTES = 4_000_000
MAX_LINE = 200_000


class Unreadable(ValueError):
    """The file cannot be analysed; `line` is where, the message why."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class Source:
    """Python text and where its lines come from."""

    path: str
    text: str
    cells: tuple[Cell, ...] = ()
    altered: frozenset[int] = frozenset()
    """Lines that are written otherwise in the file: magics of a notebook."""

    def place(self, line: int) -> tuple[int, int | None]:
        """(line in the file or cell, number of the cell or None)."""
        for cell in reversed(self.cells):
            if line >= cell.first_line:
                return line - cell.first_line + 1, cell.number
        return line, None


def read(path: Path) -> Source:
    """The source of a .py or .ipynb file. Raises Unreadable."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES:,} bytes")
    if path.suffix == ".ipynb":
        return notebook(str(path), decode(data))
    return Source(str(path), decode(data))


def notebook(path: str, text: str) -> Source:
    """The source of a notebook from its JSON. Raises Unreadable."""
    code = code_cells(text)
    return Source(path, code.text, code.cells, code.altered)


def declared_encoding(data: bytes) -> str:
    """The encoding by byte order mark or cookie, `utf-8-sig` with a mark. Raises SyntaxError."""
    # tokenize ends lines at \n only; Python itself also at \r.
    head = b"\n".join(re.split(rb"\r\n|\r|\n", data, maxsplit=2)[:2])
    return tokenize.detect_encoding(io.BytesIO(head).readline)[0]


def decode(data: bytes) -> str:
    """Python source bytes to text, by byte order mark and encoding cookie. Raises Unreadable."""
    if b"\0" in data:
        raise Unreadable("contains a null byte", data[: data.index(b"\0")].count(b"\n") + 1)
    try:
        encoding = declared_encoding(data)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(f"is not valid {error.encoding}", line) from error
    except (SyntaxError, LookupError, ValueError) as error:
        raise Unreadable(f"has an encoding that Python does not accept: {error}") from error
    if any(len(line) > MAX_LINE for line in re.split(r"\r\n|\r|\n", text)):
        raise Unreadable(f"has a line of more than {MAX_LINE:,} characters")
    return text
