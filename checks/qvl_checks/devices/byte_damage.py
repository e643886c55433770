"""How two rows of bytes differ, in words. In the target; tensors of bytes are handed in."""

from __future__ import annotations

from typing import Any

POISON = 0xA5
"""What stands in the memory that a copy is to overwrite."""
SEARCH_BYTES = 1 << 20
SAMPLE_BYTES = 64
FEW_BYTES = 16


def describe(expected: Any, arrived: Any) -> dict[str, Any]:
    """How many bytes differ, from where to where, and what stands there instead."""
    differs = expected != arrived
    first = int(differs.byte().argmax())
    last = differs.numel() - 1 - int(differs.flip(0).byte().argmax())
    wrong = arrived[differs]
    shift = None
    if _single_bits(expected[differs], wrong):
        instead = "flipped bits"
    elif not bool(wrong.any()):
        instead = "zeros"
    elif bool((wrong == POISON).all()):
        instead = "old content"
    else:
        shift = _shift(expected, arrived, (first + last) // 2)
        instead = "other" if shift is None else "shifted data"
    return {
        "mismatched_bytes": int(wrong.numel()),
        "first_offset": first,
        "last_offset": last,
        "instead": instead,
        "shift": shift,
    }


def _single_bits(expected: Any, wrong: Any) -> bool:
    """Whether a few bytes differ by one bit each, as after a fault of memory."""
    if wrong.numel() > FEW_BYTES:
        return False
    return all(bin(flip).count("1") == 1 for flip in (expected ^ wrong).tolist())


def _shift(expected: Any, arrived: Any, place: int) -> int | None:
    """By how many bytes the data around a place moved (positive: towards the tensor's end)."""
    sample = bytes(arrived[place : place + SAMPLE_BYTES].tolist())
    if len(sample) < 8 or len(set(sample)) < 4:
        return None
    start = max(0, place - SEARCH_BYTES)
    nearby = bytes(expected[start : place + SEARCH_BYTES].tolist())
    found = nearby.find(sample)
    return None if found < 0 else place - (start + found)
