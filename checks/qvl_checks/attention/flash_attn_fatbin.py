"""GPU architectures inside a compiled library, read from the headers of its fat binaries.

The layout is not published; this is what nvcc emits, checked against released wheels (torchvision
0.28.0 for CUDA 13: 75, 80, 86, 90, 100 and 120, as its build states). All numbers are little
endian. The section ``.nv_fatbin`` is a row of containers, each a 16-byte header (magic u32, version
u16, header size u16, payload size u64) and entries. An entry begins with kind u16 (1: PTX, 2:
machine code), version u16, header size u32, payload size u64, and has its architecture (80, 90,
...) as u32 at byte 28. Payloads are skipped, compressed or not.
"""

from __future__ import annotations

import mmap
import struct
from typing import IO

MAGIC = 0xBA55ED50
CONTAINER = struct.Struct("<IHHQ")
ENTRY = struct.Struct("<HHIQ")
ARCHITECTURE_AT = 28
KINDS = {1: "compute", 2: "sm"}
PLAUSIBLE = range(20, 400)
ENTRY_LIMIT = 200_000
ALIGNMENT = 8


def architectures(file: IO[bytes], offset: int, size: int) -> list[str]:
    """``sm_80``, ``compute_90``, ... of the section at ``offset``, sorted by capability.

    A header that does not fit ends the reading of its container; what was found so far counts.
    """
    if size == 0:
        return []
    found: set[tuple[int, str]] = set()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = min(offset + size, len(content))
        position, budget = offset, ENTRY_LIMIT
        while position + CONTAINER.size <= end and budget > 0:
            magic, _, header, payload = CONTAINER.unpack_from(content, position)
            if magic != MAGIC or header < CONTAINER.size:
                position += ALIGNMENT
                budget -= 1
                continue
            first = position + header
            last = min(first + payload, end)
            budget -= _entries(content, first, last, found, budget)
            position = max(last, position + CONTAINER.size)
    return [f"{kind}_{number}" for number, kind in sorted(found)]


def _entries(
    content: mmap.mmap, position: int, end: int, found: set[tuple[int, str]], budget: int
) -> int:
    """Collect from one container; returns how many entries were read (at least 1)."""
    count = 1
    while position + ARCHITECTURE_AT + 4 <= end and count < budget:
        kind, _, header, payload = ENTRY.unpack_from(content, position)
        number = struct.unpack_from("<I", content, position + ARCHITECTURE_AT)[0]
        if kind not in KINDS or number not in PLAUSIBLE or header < ARCHITECTURE_AT + 4:
            break
        found.add((number, KINDS[kind]))
        position += header + payload
        count += 1
    return count
