"""One weight file, judged by its first bytes and its size, without loading it.

Runs in the target: standard library only, Python 3.9.

The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes, the length N of
the header, little-endian; N bytes of JSON, ``name -> {dtype, shape, data_offsets: [begin, end]}``
with offsets counted from the end of the header; then the data without holes. So the header alone
tells the exact size of the file.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import parse_object, reason_of, regular_size

HEADER_LIMIT = 100_000_000
"""Bytes; the reference reader refuses longer headers."""
PROBE_BYTES = 1024
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits per element; the size of a tensor with another dtype is not checked."""

OK = "ok"
EMPTY = "empty"
LFS_POINTER = "git-lfs-pointer"
HTML = "html-page"
TRUNCATED = "truncated"
OVERLONG = "overlong"
HEADER_TOO_LARGE = "header-too-large"
HEADER_INVALID = "header-invalid"
OFFSETS_INVALID = "offsets-invalid"
UNREADABLE = "unreadable"

Tensors = dict[str, Any]


def judge_shard(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Verdict on a safetensors file, and its header (empty when it cannot be read).

    The verdict holds ``verdict``, ``size_bytes``, ``expected_bytes`` (None: not known),
    ``missing_bytes`` (at least so many; negative: too many), ``header_bytes`` and ``reason``.
    """
    try:
        size = regular_size(path)
        with path.open("rb") as file:
            start = file.read(PROBE_BYTES)
            stranger = _stranger(start, size)
            if stranger is not None:
                return stranger, {}
            length = _header_length(start)
            if size < 8 + length:
                missing = 8 + length - size
                found = _verdict(
                    TRUNCATED, size, missing_bytes=missing, reason="ends in the header"
                )
                return found, {}
            file.seek(8)
            return _judge(size, file.read(length))
    except OSError as error:
        return _verdict(UNREADABLE, None, reason=reason_of(error)), {}


def first_kind(start: bytes, size: int) -> str:
    """What a file is by its first bytes, when that is not the expected format; else empty text."""
    if size == 0:
        return EMPTY
    if start.startswith(b"version https://git-lfs"):
        return LFS_POINTER
    if re.match(rb"\s*(<!doctype html|<html|<\?xml)", start, re.IGNORECASE):
        return HTML
    return ""


def _verdict(verdict: str, size: int | None, **more: Any) -> dict[str, Any]:
    known = {"expected_bytes": None, "missing_bytes": None, "header_bytes": None, "reason": ""}
    return {"verdict": verdict, "size_bytes": size, **known, **more}


def _stranger(start: bytes, size: int) -> dict[str, Any] | None:
    """The verdict on a file that cannot be safetensors, or None."""
    kind = first_kind(start, size)
    if kind == LFS_POINTER:
        named = re.search(rb"^size (\d{1,18})\s*$", start, re.MULTILINE)
        expected = int(named.group(1)) if named else None
        missing = expected - size if expected is not None else None
        return _verdict(kind, size, expected_bytes=expected, missing_bytes=missing)
    if kind:
        return _verdict(kind, size)
    if len(start) < 8:
        return _verdict(
            TRUNCATED, size, missing_bytes=10 - size, reason="ends in the first 8 bytes"
        )
    length = _header_length(start)
    if length > HEADER_LIMIT:
        return _verdict(HEADER_TOO_LARGE, size, reason=f"states a header of {length} bytes")
    if length < 2 or (size > 8 and start[8:9] != b"{"):
        return _verdict(HEADER_INVALID, size, reason="the header does not start with an object")
    return None


def _header_length(start: bytes) -> int:
    return int(struct.unpack("<Q", start[:8])[0])


def _judge(size: int, text: bytes) -> tuple[dict[str, Any], Tensors]:
    length = len(text)
    try:
        header = parse_object(text)
    except ValueError as error:
        return _verdict(HEADER_INVALID, size, header_bytes=length, reason=reason_of(error)), {}
    header.pop("__metadata__", None)
    try:
        expected = 8 + length + _end_of_data(header)
    except ValueError as error:
        return _verdict(OFFSETS_INVALID, size, header_bytes=length, reason=str(error)[:300]), {}
    verdict = OK if size == expected else TRUNCATED if size < expected else OVERLONG
    sizes = {"expected_bytes": expected, "missing_bytes": expected - size, "header_bytes": length}
    return _verdict(verdict, size, **sizes), header


def _end_of_data(header: Tensors) -> int:
    """Where the last tensor ends. Raises ValueError when entries are malformed or leave holes."""
    spans = sorted(_span(name, entry) for name, entry in header.items())
    end = 0
    for begin, stop, name in spans:
        if begin != end:
            what = "overlaps the tensor before it" if begin < end else "follows a hole"
            raise ValueError(f"{name} {what}")
        end = stop
    return end


def _span(name: str, entry: Any) -> tuple[int, int, str]:
    try:
        (begin, end), shape, dtype = entry["data_offsets"], entry["shape"], entry["dtype"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{name} lacks dtype, shape or data_offsets") from None
    if not isinstance(dtype, str) or not isinstance(shape, list):
        raise ValueError(f"{name} has an impossible shape or dtype")
    if not all(type(n) is int and 0 <= n < 2**63 for n in (begin, end, *shape)) or begin > end:
        raise ValueError(f"{name} has an impossible shape or offsets")
    bits = BITS.get(dtype)
    if bits is not None and _elements(shape) * bits != 8 * (end - begin):
        raise ValueError(f"{name}: shape and dtype do not fit its {end - begin} bytes")
    return begin, end, name


def _elements(shape: list[int]) -> int:
    """Product of the sides; stops above every size that a file can have."""
    if 0 in shape:
        return 0
    product = 1
    for side in shape:
        product *= side
        if product >= 2**64:
            break
    return product
