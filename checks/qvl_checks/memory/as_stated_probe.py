"""The stated workload, run as stated on the stated devices."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.workload_run import run_on_gpus


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of the run exactly as the user states it."""
    return run_on_gpus(request)
