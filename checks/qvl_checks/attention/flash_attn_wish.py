"""Which flash-attention the workload asks for."""

from __future__ import annotations

import re

from qvl_doctor.facts import WorkloadFacts

DISTRIBUTIONS = {2: "flash-attn", 3: "flash-attn-3", 4: "flash-attn-4"}
MODULES = {2: "flash_attn", 3: "flash_attn_interface", 4: "flash_attn"}
MINIMUM_CAPABILITY = {2: (8, 0), 3: (8, 0), 4: (9, 0)}
"""By generation, as transformers 5.23 and flash-attention's README state."""
NO_WISH = "the workload does not ask for flash-attention"


def wished_generation(workload: WorkloadFacts) -> int | None:
    """2 for ``flash_attention_2``, for the whole model or a part of it; None when another
    implementation, or none, is asked for."""
    match = re.search(r"(?:^|=)flash_attention_([234])(?:,|$)", workload.attention or "")
    return int(match.group(1)) if match else None
