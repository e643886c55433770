"""Out of memory: which buffer it was, who holds the card, or that nothing tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qvl_checks.memory.frames import ours, stage
from qvl_checks.memory.oom_message import GIB

from ...model import Computed
from ...rule import FOREIGN_ENGINES, Case, Hit
from .buffers import IDS, by_size
from .cards import by_card, by_weights

_CUDA_OOM = re.compile(
    r"cuda out of memory|outofmemoryerror|cuda error: out of memory|allocation on "
    r"device|hip out of memory|cublas_status_alloc_failed"
)
_ANY_OOM = re.compile(
    r"out of memory|outofmemoryerror|can't allocate memory|tried to allocate|"
    r"allocation on device|\boom\b|显存(?:不足|溢出|不够)"
)


def out_of_memory(case: Case) -> Iterator[Hit]:
    """The diagnosis of an out-of-memory message, and the generic one where nothing points to Qwen-
    VL.
    """
    clues, low = case.clues, case.page.low
    if not (_ANY_OOM.search(low) or case.failed):
        return
    if clues.engine in FOREIGN_ENGINES:
        return
    # A serving engine's buffers are its own: their sizes say nothing of transformers' attention.
    if clues.served or clues.other_model or (not clues.qwen and not ours(low)):
        match = _CUDA_OOM.search(low)
        if match:
            yield _generic(case, case.page.line_at(match.start()))
        return
    events = case.failed
    largest = max(events, key=lambda e: e.requested.middle) if events else None
    found = False
    for hit in (*by_size(case, largest), *by_card(case, events), *by_weights(case, largest)):
        found = True
        yield hit
    match = _CUDA_OOM.search(low)
    if match:
        frame = stage(low)
        if frame and not found:
            yield Hit(
                IDS[frame],
                74,
                [case.page.line_at(match.start())],
            )
        generic = _generic(case, case.page.line_at(match.start()))
        generic.score = 52
        yield generic


def _generic(case: Case, line: int) -> Hit:
    computed: dict[str, Computed] = {}
    notes: list[str] = []
    for event in case.failed[-1:]:
        computed["tried_gib"] = round(event.requested.middle / GIB, 3)
        for name, size in (
            ("capacity_gib", event.message.capacity),
            ("free_gib", event.message.free),
            ("allocated_gib", event.message.allocated),
            ("reserved_unallocated_gib", event.message.idle),
        ):
            if size:
                computed[name] = round(size.middle / GIB, 2)
        notes.append(
            f"The allocation that failed was {event.requested}; nothing in the text ties "
            f"it to one known cause."
        )
    return Hit("memory.generic-out-of-memory", 55, [line], computed, notes)


DETECTORS = (out_of_memory,)
