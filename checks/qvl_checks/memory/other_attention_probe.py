"""The stated workload with another attention implementation: what else fails, and what fits."""

from __future__ import annotations

import importlib.util
from typing import Any

from qvl_checks.memory.workload_run import run_on_gpus

STATED = "memory.as_stated"


def run_eager(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of the run with eager attention."""
    return _run_unless_known(request, "eager")


def run_sdpa(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of the run with torch's scaled dot product attention."""
    return _run_unless_known(request, "sdpa")


def run_flash(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of the run with FlashAttention 2, where the package is installed."""
    if importlib.util.find_spec("flash_attn") is None:
        return _not_run("flash_attention_2", "unavailable", "flash-attn is not installed")
    return _run_unless_known(request, "flash_attention_2")


def _run_unless_known(request: dict[str, Any], attention: str) -> dict[str, Any]:
    """A run that was not started as stated is not started otherwise; one that would repeat the
    stated run is not repeated."""
    stated = request["inputs"][STATED]
    if stated["status"] == "not_run" and stated["obstacle"] != "unavailable":
        return _not_run(attention, stated["obstacle"], stated["reason"])
    if set((stated.get("selected") or {}).values()) == {attention}:
        return _not_run(attention, "same_as_stated", f"the stated run used {attention}")
    return run_on_gpus(request, attention)


def _not_run(attention: str, obstacle: str, reason: str) -> dict[str, Any]:
    return {"attention": attention, "status": "not_run", "obstacle": obstacle, "reason": reason}
