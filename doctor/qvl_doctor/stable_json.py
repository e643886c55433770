"""JSON that is the same for the same data, readable, and always valid UTF-8."""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_doctor.surrogates import without_surrogates


def encode(value: Any) -> bytes:
    """One JSON document with a final newline."""
    try:
        packed = msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:
        plain = without_surrogates(msgspec.to_builtins(value))
        packed = msgspec.json.encode(plain, order="deterministic")
    return msgspec.json.format(packed, indent=1) + b"\n"
