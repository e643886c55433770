"""The NVIDIA driver's error numbers (Xid) in a kernel log, and what they mean.

Meanings from NVIDIA's list, https://docs.nvidia.com/deploy/xid-errors/, in few words.
"""

from __future__ import annotations

import re
from typing import Any

LINE = re.compile(
    r"^(?:<\d+>)?\[\s*(?P<seconds>\d+\.\d+)\].*NVRM: Xid \(PCI:(?P<address>[0-9A-Fa-f:.]+)\): "
    r"(?P<number>\d+)",
    re.MULTILINE,
)
HARDWARE = {
    62: "the card's controller stopped",
    64: "a row or page of memory could not be replaced",
    74: "an error on NVLink",
    79: "the card has fallen off the bus",
    119: "the card's system processor did not answer",
    120: "an error of the card's system processor",
}
"""Those that point to the card, its links or its firmware."""
MEMORY = {
    48: "an uncorrectable error of memory",
    94: "an uncorrectable error of memory, contained to one program",
    95: "an uncorrectable error of memory, not contained",
    140: "an uncorrectable error of memory, not recovered",
}
"""Those that the card's own counters show too, until it is reset."""
NOTED = {
    63: "a row or page of memory was marked for replacement",
    92: "many corrected errors of memory",
    13: "an exception of a kernel",
    31: "an access to memory that is not mapped",
    43: "a program's channel was reset",
    45: "a program's work was cleaned up",
}
"""Those that the card copes with, or that a program's own mistake causes most often."""
MEANINGS = {**HARDWARE, **MEMORY, **NOTED}


def entries(log: str) -> list[dict[str, Any]]:
    """One row for each card and number: how often, and when last (seconds after start).

    Nothing else of the line is kept: it may name programs.
    """
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for match in LINE.finditer(log):
        address, number = match["address"].lower(), int(match["number"])
        row = rows.setdefault(
            (address, number), {"address": address, "number": number, "count": 0, "last_s": 0.0}
        )
        row["count"] += 1
        row["last_s"] = max(row["last_s"], float(match["seconds"]))
    return list(rows.values())
