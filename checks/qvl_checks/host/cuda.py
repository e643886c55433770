"""Words about CUDA that probes write and checks read."""

from __future__ import annotations

NO_CUDA = "torch sees no CUDA device"
"""Why a probe stayed on the CPU, where there is nothing else to use."""
