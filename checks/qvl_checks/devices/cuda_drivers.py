"""Which driver a CUDA release needs.

Minimum drivers for minor-version compatibility on Linux, from NVIDIA's CUDA Compatibility guide
(https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html), read on
2026-11-21.
"""

from __future__ import annotations

MINIMUM = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}
"""CUDA major -> the oldest driver that runs it."""
INDEX_FOR = ((580, "cu130"), (525, "cu126"), (450, "cu118"))
"""Driver major from which on -> an index whose builds it runs, newest first."""
INDEX = "https://download.pytorch.org/whl/"


def numbers(version: str) -> tuple[int, ...]:
    """(535, 104, 5) of "535.104.05"; empty when it is not a version."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def minimum_for(cuda: str) -> tuple[int, ...] | None:
    """The oldest driver for a CUDA release such as "12.8"; None: not in the table."""
    major = numbers(cuda)[:1]
    return MINIMUM.get(major[0]) if major else None


def index_for(driver: str | None) -> str | None:
    """The package index of the newest torch builds that this driver runs."""
    known = numbers(driver or "")
    if not known:
        return None
    return next((INDEX + tag for since, tag in INDEX_FOR if known[0] >= since), None)
