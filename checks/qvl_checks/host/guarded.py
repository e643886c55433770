"""Fields that may fail one by one. Runs in the target: standard library only, Python 3.9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

REASON_LIMIT = 300


class Guarded:
    """Collects named fields; one that cannot be read is None, and why is kept beside it."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.unread: dict[str, str] = {}

    def read(self, name: str, get: Callable[[], Any]) -> Any:
        """Store what ``get`` returns under ``name``, or None when it raises."""
        try:
            self.fields[name] = get()
        except Exception as error:
            self.fields[name] = None
            self.unread[name] = reason_of(error)
        return self.fields[name]

    def row(self) -> dict[str, Any]:
        """Everything collected, with the reasons under ``unread``."""
        return {**self.fields, "unread": self.unread}


def reason_of(error: BaseException) -> str:
    """The error as one bounded line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:REASON_LIMIT].rstrip(": ")


def valid(text: str) -> str:
    """The text as valid Unicode: undecodable bytes of a path or a variable become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
