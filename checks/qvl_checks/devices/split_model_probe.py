"""Runs a small model of the examined architecture on one GPU, then spread over the GPUs."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.room import claim, cuda_devices, refusal_in
from qvl_checks.devices.split_model import compare
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated
from qvl_checks.memory.cards import Refused

NEED = 512 << 20
WITHIN_S = 45.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `SplitModelFacts`; in a fork, because a damaged or missing transfer may hang it."""
    try:
        devices = cuda_devices(request)
        if len(devices) < 2:
            return {"reason": "torch sees one GPU only"}
        import accelerate
    except Refused as refusal:
        return {"reason": str(refusal)}
    except ImportError as error:
        return {"reason": f"accelerate is needed to spread a model: {reason_of(error)}"}
    tiny = (request.get("model") or {}).get("tiny_config")
    if not tiny:
        return {"reason": "the model is not of a known Qwen-VL family"}
    dtype = (request.get("workload") or {}).get("dtype") or "bfloat16"

    def work() -> dict[str, Any]:
        import torch

        claim(torch, devices, NEED, request)
        return compare(torch, tiny, devices, dtype)

    outcome = isolated(work, WITHIN_S)
    return {
        "status": outcome["status"],
        "reason": refusal_in(outcome.get("reason", "")),
        "dtype": dtype,
        "accelerate": str(accelerate.__version__),
        **(outcome.get("data") or {}),
    }
