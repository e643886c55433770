"""The log that a user hands over: from a file or standard input, whatever its encoding."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from qvl_doctor.errors import UsageError
from qvl_doctor.facts import LogFacts

KEPT = 200_000
"""Characters of its end that go into the record: the failure stands there."""
READ = 4 * KEPT


def read_log(file: str) -> LogFacts:
    """The end of ``file`` (``-``: standard input).

    Raises:
        UsageError: there is nothing to read.
    """
    name = "the input" if file == "-" else file
    data = _standard_input() if file == "-" else _end_of(Path(file))
    text = _decoded(data)[-KEPT:]
    if not text.strip():
        raise UsageError(f"--from-log: {name} is empty: there is nothing to explain")
    return LogFacts(text=text)


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("--from-log -: nothing to read; pipe the log or the message into it")
    return sys.stdin.buffer.read()[-READ:]


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            mark = stream.read(2)
            size = stream.seek(0, 2)
            # Two bytes a character in UTF-16: start at an even place, and keep its mark.
            start = max(0, size - READ) // 2 * 2
            stream.seek(start)
            end = stream.read(READ + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"--from-log: cannot read {path}: {why}") from error
    marked = mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return mark + end if marked and start else end


def _decoded(data: bytes) -> str:
    """UTF-16 by its mark (PowerShell's redirection writes it), else UTF-8; never an error."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
