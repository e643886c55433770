"""Reads the kernel's ring buffer through the C library; most users may not."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from qvl_checks.devices.xids import entries
from qvl_checks.host.guarded import reason_of

READ_ALL, SIZE = 3, 10
"""Actions of klogctl(3)."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `KernelLogFacts`."""
    if not sys.platform.startswith("linux"):
        return {"readable": False, "reason": "only Linux has this log"}
    try:
        return {"readable": True, "xids": entries(_log())}
    except (OSError, AttributeError) as error:
        return {"readable": False, "reason": reason_of(error)}


def _log() -> str:
    library = ctypes.CDLL(None, use_errno=True)
    size = max(_called(library, SIZE, None, 0), 1)
    buffer = ctypes.create_string_buffer(size)
    length = _called(library, READ_ALL, buffer, size)
    return buffer.raw[:length].decode("utf-8", "replace")


def _called(library: Any, action: int, buffer: Any, size: int) -> int:
    result = int(library.klogctl(action, buffer, size))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
