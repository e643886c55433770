"""The text that a triage is about: from a file or standard input, whatever its encoding."""

from __future__ import annotations

import sys
from pathlib import Path

from qvl_doctor.errors import UsageError

#: More than this is cut before reading: what decides stands at the end of a log.
MAX_BYTES = 64 * 2**20


def read(file: str) -> str:
    """The text of `file` (``-``: standard input); its last `MAX_BYTES` if it is longer.

    Raises:
        UsageError: there is nothing to read.
    """
    data = _standard_input() if file == "-" else _content(Path(file))
    if not data.strip(b" \t\r\n\0"):
        name = "the input" if file == "-" else file
        raise UsageError(f"{name} is empty: there is nothing to triage")
    return decode(data)


def decode(data: bytes) -> str:
    """Text from bytes: UTF-16 by its mark (PowerShell's redirection), else UTF-8, else GB18030
    where that fits, never an error.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", errors="replace")


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        raise UsageError(
            "nothing to read: pipe a log into the command or name a file, for example "
            "'qvl-doctor triage error.log'"
        )
    return sys.stdin.buffer.read()[-MAX_BYTES:]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - MAX_BYTES))
            return stream.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {why}") from error
