"""From the allocator's list of events to what was held when."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from qvl_checks.memory.history import MOST_MOMENTS, Kept, Mark, Recorder, replay, thinned

KIB = 1024
BEFORE = {"index": 0, "allocated_bytes": 512, "reserved_bytes": 2 * KIB}
MARKS = [
    Mark(0, "load", ""),
    Mark(100, "inputs", ""),
    Mark(200, "vision", "visual.blocks.0"),
    Mark(300, "text", "layers.0.self_attn"),
    Mark(400, "logits", "lm_head"),
]


def event(action: str, us: int, addr: int, size: int) -> dict[str, Any]:
    return {"action": action, "time_us": us, "addr": addr, "size": size}


def held(*events: dict[str, Any], kept: list[Kept] | None = None) -> list[dict[str, Any]]:
    found = replay(BEFORE, events, MARKS, kept or [])
    assert found is not None
    moments: list[dict[str, Any]] = found["moments"]
    return moments


def test_every_phase_books_under_its_kind() -> None:
    moments = held(
        event("segment_alloc", 10, 0, 2 * KIB),
        event("alloc", 11, 0, KIB),
        event("alloc", 150, 4096, KIB),
        event("alloc", 210, 8192, 100),
        event("free_completed", 220, 8192, 100),
        event("alloc", 410, 8192, KIB),
    )
    assert [moment["held"] for moment in moments] == [
        {"workspace": 512, "weights": KIB},
        {"workspace": 512, "weights": KIB, "inputs": KIB},
        {"workspace": 512, "weights": KIB, "inputs": KIB, "vision": 512},
        {"workspace": 512, "weights": KIB, "inputs": KIB},
        {"workspace": 512, "weights": KIB, "inputs": KIB, "logits": KIB},
    ]
    assert [moment["reserved"] for moment in moments] == [4 * KIB] * 5
    assert moments[2]["module"] == "visual.blocks.0"


def test_loading_is_one_moment_unless_it_was_all() -> None:
    loading = [event("alloc", us, us * KIB, KIB) for us in range(10, 60)]
    assert len(held(*loading)) == 50
    moments = held(*loading, event("alloc", 150, 1, KIB))
    assert [moment["phase"] for moment in moments] == ["load", "inputs"]
    assert moments[0]["held"]["weights"] == 50 * KIB


def test_what_the_cache_keeps_is_found_by_its_address() -> None:
    moments = held(
        event("alloc", 310, 1000, KIB),
        event("free_completed", 320, 1000, KIB),
        event("alloc", 330, 1000, KIB),
        event("alloc", 360, 5000, KIB),
        kept=[Kept(340, 0, 1000), Kept(340, 1, 5000)],
    )
    assert moments[0]["held"] == {"workspace": 512, "text": KIB}
    assert moments[-1]["held"] == {"workspace": 512, "kv_cache": KIB, "text": KIB}


def test_segments_come_and_go() -> None:
    moments = held(
        event("segment_map", 10, 0, 4 * KIB),
        event("alloc", 110, 0, KIB),
        event("segment_free", 120, 0, 2 * KIB),
        event("alloc", 130, 9000, KIB),
    )
    assert [moment["reserved"] for moment in moments] == [6 * KIB, 4 * KIB]


def test_blocks_from_before_the_recording_are_left_alone() -> None:
    assert held(event("free_completed", 150, 77, KIB), event("alloc", 160, 1, KIB))[-1]["held"] == {
        "workspace": 512,
        "inputs": KIB,
    }


def test_events_without_time_give_no_history() -> None:
    assert replay(BEFORE, [{"action": "alloc", "addr": 1, "size": 1}], MARKS, []) is None


@pytest.mark.parametrize("count", [1, MOST_MOMENTS, MOST_MOMENTS + 1, 5000])
def test_thinning_keeps_the_ends_and_the_worst(count: int) -> None:
    moments = [{"step": n, "held": {"text": n * 7919 % 1009}} for n in range(count)]
    kept = thinned(moments)
    assert len(kept) == min(count, MOST_MOMENTS)
    assert (kept[0], kept[-1]) == (moments[0], moments[-1])
    assert [one["step"] for one in kept] == sorted(one["step"] for one in kept)
    worst = max(one["held"]["text"] for one in moments)
    assert max(one["held"]["text"] for one in kept) == worst


class Cards:
    """One card that holds something."""

    def readings(self) -> list[dict[str, Any]]:
        return [BEFORE]


class Memory:
    """torch.cuda.memory, which plays a snapshot."""

    def __init__(self) -> None:
        self.wishes: list[dict[str, Any]] = []

    def _record_memory_history(self, **wish: Any) -> None:
        self.wishes.append(wish)

    def _snapshot(self) -> dict[str, Any]:
        far = sys.maxsize
        return {"device_traces": [[event("alloc", far, 1, KIB), event("oom", far, 0, KIB)]]}


class Torch:
    """What the recorder uses of torch."""

    def __init__(self, memory: Any) -> None:
        self.cuda = type("cuda", (), {"memory": memory})


def test_the_recorder_switches_recording_on_and_off() -> None:
    memory = Memory()
    recorder = Recorder(Torch(memory), Cards())
    recorder.mark("load", "")
    recorder.start()
    recorder.mark("vision", "visual")
    [card] = recorder.stop()
    assert [wish["enabled"] for wish in memory.wishes] == ["all", None]
    assert card["moments"][-1]["held"] == {"workspace": 512, "vision": KIB}
    assert recorder.stop() == []


def test_a_torch_without_a_recorder_is_no_error() -> None:
    recorder = Recorder(Torch(object()), Cards())
    recorder.start()
    recorder.mark("vision", "visual")
    assert recorder.stop() == []
