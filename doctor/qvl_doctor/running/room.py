"""Whether this machine can carry a second interpreter that has imported torch."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

CORES_NEEDED = 2
"""Most probes compute in one thread. The standard level without a GPU took 16 s with two lanes on
two cores where one lane took 21 to 28 s, a second import included."""
BYTES_NEEDED = 8 << 30
"""Without CUDA a second interpreter and its probes made 0.4 GiB more at the peak (0.5 without it);
CUDA's libraries and what probes build on a GPU come on top. The rest is the user's."""
LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
"""A container's memory limit as it sees it itself, of cgroup v2 and v1."""


def for_two(root: Path = Path("/"), cores: int | None = None) -> bool:
    """Whether there are cores and memory enough; False where that cannot be read."""
    cores = len(os.sched_getaffinity(0)) if cores is None and sys.platform == "linux" else cores
    return (cores or 0) >= CORES_NEEDED and _bytes(root) >= BYTES_NEEDED


def _bytes(root: Path) -> int:
    """Memory that is available, or that the container may have if that is less."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    limits = [
        int(text) for text in (_text(root / name).strip() for name in LIMITS) if text.isdigit()
    ]
    return min([int(found[1]) << 10 if found else 0, *limits])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
