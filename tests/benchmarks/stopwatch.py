"""Times whole processes: the median of several runs, the two sides interleaved."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence


def seconds(argv: Sequence[str]) -> float:
    """Wall time of one run, whatever its exit code says."""
    began = time.perf_counter()
    subprocess.run(list(argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def medians(*commands: Sequence[str], runs: int) -> list[float]:
    """Median seconds of each command; one warm-up, then the commands take turns."""
    for command in commands:
        seconds(command)
    times = [[seconds(command) for command in commands] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


PYTHON = sys.executable
