"""Who holds the card: another process, holes of the allocator, weights in fp32."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qvl_checks.memory.frames import LOADING, TRAINING, stage
from qvl_checks.memory.oom_message import GIB

from ...failures import Failure
from ...model import Computed
from ...rule import Case, Hit

_FLOAT_FLAG = re.compile(
    r"--dtype[ =]float(?:32)?\b|torch_dtype ?= ?torch\.float(?:32)?\b|dtype ?= "
    r"?torch\.float(?:32)?\b|dtype[ =]float32|\bfp32\b|float32"
)


def by_card(case: Case, events: tuple[Failure, ...]) -> Iterator[Hit]:
    """Who holds the card: another process, the allocator's own holes."""
    for event in events[-3:]:
        capacity = event.message.capacity
        if capacity is None:
            continue
        held, idle = event.message.held_by_others, event.message.idle
        if held and held > max(2 * GIB, 0.12 * capacity.middle):
            yield Hit(
                "memory.co-tenant-memory",
                88 if held > 0.3 * capacity.middle else 78,
                [event.line],
                {"held_by_others_gib": round(held / GIB, 2)},
                [
                    f"{held / GIB:.2f} GiB of the card belong to neither this process nor the free "
                    "memory: other processes hold them."
                ],
            )
        if (
            idle
            and idle.middle >= event.requested.middle
            and idle.middle > max(0.8 * GIB, 0.05 * capacity.middle)
        ):
            yield Hit(
                "memory.memory-fragmentation",
                79,
                [event.line],
                {
                    "reserved_unallocated_gib": round(idle.middle / GIB, 2),
                    "tried_gib": round(event.requested.middle / GIB, 3),
                },
                [
                    f"{idle.middle / GIB:.2f} GiB are reserved but unallocated, more than the "
                    f"{event.requested} asked for: the free blocks are too small."
                ],
            )


def by_weights(case: Case, event: Failure | None) -> Iterator[Hit]:
    """Weights that cannot fit in fp32 but would in bf16."""
    clues, low = case.clues, case.page.low
    flag = _FLOAT_FLAG.search(low)
    capacity = event.message.capacity.middle if event and event.message.capacity else None
    billions = [int(name[:-1]) for name in clues.size_names]
    if not billions or (event is None and not flag):
        return
    known = clues.sizes[0][1].parameters if clues.families and clues.size_known else None
    params = known or int(billions[0] * 1.08e9)
    full, half = params * 4, params * 2
    computed: dict[str, Computed] = {
        "weights_fp32_gib": round(full / GIB, 1),
        "weights_bf16_gib": round(half / GIB, 1),
    }
    note = (
        f"{billions[0]}B parameters are {full / GIB:.1f} GiB in fp32 (float32) and "
        f"{half / GIB:.1f} GiB in bf16 or float16."
    )
    line = event.line if event else case.page.line_at(flag.start() if flag else 0)
    if (
        flag
        and "bf16" not in low
        and not re.search(r"softmax|autocast|float32 is", low)
        and (capacity is None or full > capacity * 0.9)
        and not clues.concept("eager")
    ):
        yield Hit("memory.weights-in-fp32", 84, [line], computed, [note])
    elif (
        capacity
        and half < capacity * 0.95
        and capacity * 0.9 < full
        and LOADING.search(low)
        and not stage(low)
        and not TRAINING.search(low)
        and event
        and event.requested.middle < 3 * GIB
    ):
        yield Hit("memory.weights-in-fp32", 76, [line], computed, [note])
