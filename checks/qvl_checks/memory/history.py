"""What each card held from one allocation to the next, by kind: read from the allocator itself.

Runs in the target: standard library at module level; ``torch`` is handed in. `Recorder` asks torch
to keep a list of all allocations and notes beside it what the model was doing; `replay` puts both
together and needs no torch.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import time_ns
from typing import Any, NamedTuple

WORKSPACE, WEIGHTS, INPUTS, KV_CACHE, LOGITS = (
    "workspace",
    "weights",
    "inputs",
    "kv_cache",
    "logits",
)
KIND_OF_PHASE = {
    "load": WEIGHTS,
    "inputs": INPUTS,
    "vision": "vision",
    "text": "text",
    "logits": LOGITS,
    "decode": "text",
    "generate": "text",
}
"""What is allocated in a phase, unless it turns out to belong to the KV cache."""
ROUNDING = 512
MOST_EVENTS = 400_000
MOST_MOMENTS = 150
"""Points of a picture of one card."""
SLACK_US = 100
"""By how much the allocator's clock and ours may differ: shorter than any operator's launch."""


class Mark(NamedTuple):
    """From this microsecond on, this is at work."""

    us: int
    phase: str
    module: str


class Kept(NamedTuple):
    """The storage at this address of a card belongs to the KV cache."""

    us: int
    card: int
    address: int


class Recorder:
    """Records one run; without CUDA, or with a torch that keeps no list, it records nothing."""

    def __init__(self, torch: Any, cards: Any) -> None:
        self._torch = torch
        self._cards = cards
        self._marks: list[Mark] = []
        self._kept: list[Kept] = []
        self._before: list[dict[str, Any]] = []
        self._on = False

    def start(self) -> None:
        """Begin; what is allocated already is the libraries' workspace."""
        self._before = self._cards.readings()
        if not self._before:
            return
        try:
            self._torch.cuda.memory._record_memory_history(
                enabled="all", context=None, max_entries=MOST_EVENTS
            )
        except (AttributeError, TypeError, RuntimeError):
            return
        self._on = True

    def mark(self, phase: str, module: str) -> None:
        """Say what is at work from now on."""
        if self._on:
            self._marks.append(Mark(time_ns() // 1000, phase, module))

    def keep(self, tensor: Any) -> None:
        """Say that a tensor's storage belongs to the KV cache."""
        if self._on and tensor.is_cuda:
            address = tensor.untyped_storage().data_ptr()
            self._kept.append(Kept(time_ns() // 1000, tensor.device.index, address))

    def stop(self) -> list[dict[str, Any]]:
        """End, and return what each card held over time, as plain data."""
        if not self._on:
            return []
        memory = self._torch.cuda.memory
        traces = memory._snapshot()["device_traces"]
        memory._record_memory_history(enabled=None)
        self._on = False
        return [
            found
            for row in self._before
            if row["index"] < len(traces)
            and (found := replay(row, traces[row["index"]], self._marks, self._kept)) is not None
        ]


def replay(
    before: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    marks: Sequence[Mark],
    kept: Iterable[Kept],
) -> dict[str, Any] | None:
    """One card's history from the allocator's events; None if they carry no time.

    ``before`` is the card's reading when recording began. The moments begin when the weights are
    loaded, unless the run ended before that.
    """
    if not all("time_us" in event for event in events):
        return None
    moments = list(_moments(before, events, marks, kept))
    loaded = [moment for moment in moments if moment["phase"] == "load"]
    if len(loaded) < len(moments):
        moments = [*loaded[-1:], *moments[len(loaded) :]]
    return {
        "index": before["index"],
        "events": len(moments),
        "moments": thinned([{**one, "step": step} for step, one in enumerate(moments)]),
    }


def thinned(moments: Sequence[dict[str, Any]], most: int = MOST_MOMENTS) -> list[dict[str, Any]]:
    """At most ``most`` moments: of equal stretches the worst one each, first and last always."""
    if len(moments) <= most:
        return list(moments)
    inner, places = moments[1:-1], most - 2
    worst = []
    for place in range(places):
        start, end = place * len(inner) // places, (place + 1) * len(inner) // places
        worst.append(max(inner[start:end], key=lambda moment: sum(moment["held"].values())))
    return [moments[0], *worst, moments[-1]]


def _moments(
    before: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    marks: Sequence[Mark],
    kept: Iterable[Kept],
) -> Iterator[dict[str, Any]]:
    """What is held after each event that allocates or frees."""
    times = [mark.us for mark in marks]
    cache = _born_for_the_cache(before["index"], events, kept)
    held = {WORKSPACE: before["allocated_bytes"]}
    reserved = before["reserved_bytes"]
    blocks: dict[int, tuple[int, str]] = {}
    for number, event in enumerate(events):
        action, size = event["action"], event.get("size", 0)
        if action in ("segment_alloc", "segment_map"):
            reserved += size
        elif action in ("segment_free", "segment_unmap"):
            reserved -= size
        if action not in ("alloc", "free_completed"):
            continue
        place = bisect.bisect_right(times, event["time_us"]) - 1
        mark = marks[place] if place >= 0 else Mark(0, "load", "")
        if action == "alloc":
            size = -(-size // ROUNDING) * ROUNDING
            kind = KV_CACHE if number in cache else KIND_OF_PHASE.get(mark.phase, "text")
            blocks[event["addr"]] = size, kind
            held[kind] = held.get(kind, 0) + size
        elif event["addr"] in blocks:
            size, kind = blocks.pop(event["addr"])
            held[kind] -= size
        else:
            continue
        yield {
            "phase": mark.phase,
            "module": mark.module,
            "held": {kind: size for kind, size in held.items() if size},
            "reserved": reserved,
        }


def _born_for_the_cache(
    index: int, events: Sequence[Mapping[str, Any]], kept: Iterable[Kept]
) -> set[int]:
    """Numbers of the allocations whose storage was later seen in the KV cache."""
    births: dict[int, list[tuple[int, int]]] = {}
    for number, event in enumerate(events):
        if event["action"] == "alloc":
            births.setdefault(event["addr"], []).append((event["time_us"], number))
    found = set()
    for one in kept:
        if one.card != index:
            continue
        place = bisect.bisect_right(births.get(one.address, []), (one.us + SLACK_US, len(events)))
        if place:
            found.add(births[one.address][place - 1][1])
    return found
