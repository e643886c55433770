"""Reading untrusted files with a limit. Runs in the target: standard library only, Python 3.9."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

REASON_LIMIT = 300
JSON_LIMIT = 64_000_000
"""Bytes of the largest JSON file that is parsed; a published index has about 100 KB."""

READ, MISSING, UNREADABLE, INVALID, TOO_LARGE = (
    "read",
    "missing",
    "unreadable",
    "invalid",
    "too-large",
)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class NotRegularError(OSError):
    """A pipe, device or folder stands where a file was expected."""


def regular_size(path: Path) -> int:
    """Size in bytes, links followed.

    Raises NotRegularError for anything but a file: opening a pipe would wait for ever.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NotRegularError("not a regular file")
    return found.st_size


def first_bytes(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes from the start of a regular file."""
    regular_size(path)
    with path.open("rb") as file:
        return file.read(limit)


def reason_of(error: BaseException) -> str:
    """The error as one bounded line without the path, which the reader of the fact knows."""
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return valid(f"{type(error).__name__}: {' '.join(text.split())}"[:REASON_LIMIT].rstrip(": "))


def valid(text: str) -> str:
    """The text as valid Unicode: undecodable bytes of a file name become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises ValueError for anything that is not one, for the constants NaN and Infinity, which JSON
    does not have, for deep nesting and for half surrogates, which no report could be written with.
    """
    try:
        value = json.loads(data, parse_constant=_refuse, parse_float=_finite)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"holds a {type(value).__name__}, not an object")
    return value


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number[:40]} is too large for a number")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def read_object(path: Path, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """A JSON file as a fact: ``state``, and ``value`` (dict) or ``reason``."""
    try:
        size = regular_size(path)
        if size > limit:
            return _unread(TOO_LARGE, f"{size} bytes, more than {limit}")
        return {"state": READ, "value": parse_object(first_bytes(path, limit)), "reason": ""}
    except FileNotFoundError:
        if path.is_symlink():
            return _unread(UNREADABLE, "a link to a file that does not exist")
        return _unread(MISSING, "")
    except OSError as error:
        return _unread(UNREADABLE, reason_of(error))
    except ValueError as error:
        return _unread(INVALID, reason_of(error))


def _unread(state: str, reason: str) -> dict[str, Any]:
    return {"state": state, "value": None, "reason": reason}
