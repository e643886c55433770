"""A device's account as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from qvl_checks.memory.trace.account import Account, Peak
from qvl_checks.memory.trace.ledger import (
    DECODE,
    INPUTS,
    KV_CACHE,
    LOGITS,
    TEXT,
    VISION,
    WEIGHTS,
    Largest,
)
from qvl_checks.memory.trace.workload import Card
from qvl_checks.memory.trace.workspace import WORKSPACE

PHASES = (VISION, TEXT, LOGITS, DECODE)
TERMS = {
    "inputs_bytes": INPUTS,
    "kv_cache_bytes": KV_CACHE,
    "vision_scratch_bytes": VISION,
    "text_scratch_bytes": TEXT,
    "logits_bytes": LOGITS,
    "workspace_bytes": WORKSPACE,
}


def device_facts(
    device: str, card: Card, account: Account, largest: Optional[Largest]
) -> dict[str, Any]:
    """What the request's answer says of one device; bytes."""
    phase, top = account.top
    return {
        "device": device,
        "capacity_bytes": card.capacity,
        "context_bytes": card.context,
        "others_bytes": card.others,
        "usable_bytes": card.usable,
        "weights_bytes": account.most[WEIGHTS],
        "weights_reserved_bytes": account.reserved_by_weights,
        "peak_allocated_bytes": top.total,
        "peak_reserved_bytes": account.allocator.peak_reserved,
        "fits": None if card.usable is None else account.failure is None,
        "failure": _failure(account),
        "peak_phase": phase,
        "peak_module": top.module,
        "largest_tensor": largest
        and {"shape": list(largest.shape), "dtype": largest.dtype, "bytes": largest.size},
        "terms": {name: account.most[kind] for name, kind in TERMS.items()},
        "at_peak": _at_peak(top),
        "phase_peaks": {
            name: account.peaks[name].total for name in PHASES if name in account.peaks
        },
        "history": [list(point) for point in account.history],
    }


def _at_peak(peak: Peak) -> Mapping[str, int]:
    """The parts of the peak; they add up to it."""
    parts = {name: peak.kinds[kind] for name, kind in TERMS.items()}
    parts["weights_bytes"] = peak.kinds[WEIGHTS]
    # Where splitting a block is not worth it, the allocator gives more than was asked for.
    parts["unsplit_bytes"] = peak.total - sum(parts.values())
    return parts


def _failure(account: Account) -> Optional[dict[str, Any]]:
    failed = account.failure
    if failed is None:
        return None
    return {
        "requested_bytes": failed.requested,
        "phase": failed.phase,
        "module": failed.module,
        "reserved_bytes": failed.reserved,
        "allocated_bytes": failed.allocated,
    }
