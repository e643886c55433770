"""What to say and do about every cause."""

from __future__ import annotations

from . import (
    attention,
    checkpoint,
    devices,
    flash_attn,
    generation,
    images,
    imports,
    kv_cache,
    memory,
    versions,
)
from .entry import Advice

ADVICE: dict[str, Advice] = {
    **versions.ADVICE,
    **imports.ADVICE,
    **attention.ADVICE,
    **flash_attn.ADVICE,
    **memory.ADVICE,
    **kv_cache.ADVICE,
    **devices.ADVICE,
    **images.ADVICE,
    **checkpoint.ADVICE,
    **generation.ADVICE,
}

__all__ = ["ADVICE", "Advice"]
