"""The search for a cure, on a forecast whose memory is a plain formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from qvl_checks.memory.changes import Offered
from qvl_checks.memory.plan import cures as module
from qvl_checks.memory.plan.cures import Cures, free

GIB = 2**30
EVERYTHING = Offered(logits_to_keep=True, prefill_chunk=True, flash_attention=False)
STATED = {
    "images": [[1680, 1680]],
    "videos": [],
    "batch": 4,
    "attention": "eager",
    "dtype": "bfloat16",
    "device_map": None,
    "mode": "generate",
}


def gpus(count: int, usable: int = 20 * GIB) -> list[dict[str, Any]]:
    return [{"index": index, "usable_bytes": usable} for index in range(count)]


class Formula:
    """Weights, a matrix that eager attention of the vision tower writes, and text by batch."""

    def __init__(self, workload: Mapping[str, Any], cards: int = 1, room: int = 20 * GIB) -> None:
        self._workload, self._cards, self._room = workload, cards, room
        self.asked: list[dict[str, Any]] = []

    def predict(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(changes))
        now = {**self._workload, **changes}
        pixels = min(now["images"][0][0] * now["images"][0][1], now.get("max_pixels", 10**9))
        attention = str(now["attention"])
        vision = 0
        if attention == "eager" or "vision=eager" in attention:
            vision = (pixels // 196) ** 2 * 16 * 6
        peak = 15 * GIB + vision + now["batch"] * GIB // 4
        row = {
            "device": "cuda:0",
            "usable_bytes": self._room,
            "weights_bytes": 15 * GIB,
            "peak_allocated_bytes": peak,
            "peak_reserved_bytes": peak,
            "peak_phase": "vision" if vision > GIB else "text",
            "fits": peak <= self._room,
        }
        return {"fits": row["fits"], "devices": [row] * self._cards}


def searched(workload: Mapping[str, Any], room: int) -> Cures:
    search = Cures.__new__(Cures)
    search._forecast = Formula(workload, room=room)  # type: ignore[assignment]
    search._workload, search._gpus = workload, gpus(1, room)
    search._model, search._unit, search._can = {"path": None}, 28, EVERYTHING
    search.tried, search.notes = [], []
    search.search()
    return search


def test_the_smallest_change_comes_first() -> None:
    first = next(row for row in searched(STATED, 20 * GIB).tried if row["fits"])
    assert first["fields"] == {"attention": "vision=sdpa,text=eager"}
    assert first["costs"] == "nothing"


def test_what_does_not_help_is_kept() -> None:
    tried = searched(STATED, 20 * GIB).tried
    assert {"attention": "vision=eager,text=sdpa"} in [
        row["fields"] for row in tried if row["fits"] is False
    ]


def test_quality_is_given_up_last_and_only_on_top_of_what_is_free() -> None:
    tried = searched(STATED, 15 * GIB + GIB // 2).tried
    fitting = [row for row in tried if row["fits"]]
    assert fitting and all("batch" in row["fields"] for row in fitting[:1])
    assert fitting[0]["fields"]["batch"] == 2
    assert fitting[0]["fields"]["attention"] != "eager"


def test_fewer_pixels_when_attention_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_attention", lambda workload, can: iter(()))
    tried = searched({**STATED, "batch": 1}, 18 * GIB).tried
    [row] = [row for row in tried if "max_pixels" in row["fields"]]
    most = row["fields"]["max_pixels"]
    now = Formula({**STATED, "batch": 1}, room=18 * GIB)
    assert now.predict({"max_pixels": most})["fits"]
    assert not now.predict({"max_pixels": most + 28 * 28})["fits"]
    assert row["costs"] == "quality"


def test_nothing_helps_where_the_weights_do_not_fit() -> None:
    assert not any(row["fits"] for row in searched(STATED, 10 * GIB).tried)


def changes(workload: Mapping[str, Any], cards: int = 1) -> list[dict[str, Any]]:
    prediction = Formula(workload, cards).predict({})
    return [dict(one.fields) for one in free(workload, prediction, gpus(cards), EVERYTHING)]


def test_sdpa_is_not_changed_to_itself() -> None:
    assert {"attention": "sdpa"} not in changes({**STATED, "attention": None})
    assert {"attention": "sdpa"} not in changes({**STATED, "attention": "sdpa"})


def test_logits_only_of_a_forward_pass() -> None:
    assert {"logits_to_keep": 1} in changes({**STATED, "mode": "forward"})
    assert {"logits_to_keep": 1} not in changes(STATED)


def test_other_placements_need_other_cards() -> None:
    assert not any("device_map" in fields for fields in changes(STATED))
    assert {"device_map": "auto"} in changes(STATED, cards=2)


def test_room_on_the_first_card() -> None:
    found = changes({**STATED, "device_map": "auto", "attention": "sdpa"}, cards=2)
    [fields] = [one for one in found if "max_memory" in one]
    assert fields["max_memory"]["0"] < fields["max_memory"]["1"]


def test_tensor_parallelism_needs_several_cards_and_processes() -> None:
    assert not any("device_map" in fields for fields in changes(STATED))
    assert {"device_map": "tensor-parallel"} in changes(STATED, cards=2)
    assert {"device_map": "tensor-parallel"} not in changes(
        {**STATED, "device_map": "tensor-parallel"}, cards=2
    )
    prediction = Formula(STATED, 2).predict({})
    alone = free(STATED, prediction, gpus(2), EVERYTHING._replace(processes=False))
    assert {"device_map": "tensor-parallel"} not in [dict(one.fields) for one in alone]


def test_float32_is_halved() -> None:
    assert {"dtype": "bfloat16"} in changes({**STATED, "dtype": "float32"})
