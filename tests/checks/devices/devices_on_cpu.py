"""The GPU probes' own code on CPU tensors, for an agent to run as it runs probes.

A fork of a process whose torch has started threads hangs; the agent's has not.
"""

from __future__ import annotations

import time
from typing import Any

from qvl_checks.devices import peer_copy_probe
from qvl_checks.devices.collective import all_reduce
from qvl_checks.devices.consistency_probe import survey_all
from qvl_checks.devices.copy_ways import WAYS
from qvl_checks.devices.kernel_speed_probe import ratios
from qvl_checks.devices.peer_copies import compare_pair


def matrix(request: dict[str, Any]) -> dict[str, Any]:
    """Copies between all pairs of so many "devices"."""
    return peer_copy_probe.matrix(["cpu"] * request["devices"], request)


def hanging_matrix(request: dict[str, Any]) -> dict[str, Any]:
    """The same, with copies from the second one that never end."""

    def stuck(torch: Any, source: str, target: str, *arguments: Any) -> list[dict[str, Any]]:
        if source == "cpu:1":
            time.sleep(60)
        return compare_pair(torch, source, target, (), 1, WAYS)

    peer_copy_probe.compare_pair = stuck  # type: ignore[assignment]
    peer_copy_probe.PAIR_S = {"standard": 0.5}
    return peer_copy_probe.matrix(["cpu:0", "cpu:1"], request)


def consistency(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Small matrices on two "devices"."""
    return survey_all(["cpu", "cpu"], 128, request)


def speeds(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Kernels and their alternatives, for the request's model."""
    return ratios("cpu", 0, request)


def collective(request: dict[str, Any]) -> dict[str, Any]:
    """A sum over two processes; the request says the backend and the sizes."""
    return all_reduce(
        ["cpu", "cpu"], request["backend"], {}, request["within_s"], tuple(request["sizes"])
    )


def stuck_collective(request: dict[str, Any]) -> dict[str, Any]:
    """A sum for which one process waits for ever."""
    import torch.distributed as distributed

    distributed.all_reduce = lambda tensor: time.sleep(60)  # type: ignore[assignment]
    return collective(request)


def wrong_collective(request: dict[str, Any]) -> dict[str, Any]:
    """A sum that leaves out what the others have."""
    import torch.distributed as distributed

    distributed.all_reduce = lambda tensor: None  # type: ignore[assignment]
    return collective(request)
