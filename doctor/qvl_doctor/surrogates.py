"""Halves of surrogate pairs: Python's way to carry bytes that are not UTF-8 (a path, a variable).

Nothing can write them down as UTF-8, so they become escapes before they are saved.
"""

from __future__ import annotations

from typing import Any


def without_surrogates(value: Any) -> Any:
    """The same JSON data with every string encodable."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value
