"""What to say and do about every cause."""

from __future__ import annotations

from . import attention, checkpoint, devices, generation, images, memory, versions
from .entry import Advice

ADVICE: dict[str, Advice] = {
    **versions.ADVICE,
    **attention.ADVICE,
    **memory.ADVICE,
    **devices.ADVICE,
    **images.ADVICE,
    **checkpoint.ADVICE,
    **generation.ADVICE,
}

__all__ = ["ADVICE", "Advice"]
