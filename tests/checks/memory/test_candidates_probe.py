"""Predictions and the search for changes, in the target, for cards that this machine lacks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.memory.change_facts import CANDIDATES, CandidatesFacts
from qvl_checks.memory.forecast import KERNELS
from qvl_checks.memory.predicted_facts import PREDICTED, PredictedFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus

MIB = 2**20
CONTEXT = 600 * MIB
SIDE = 1120
PATCHES = 80 * 80
SCORES = 2 * PATCHES**2 * 2
"""Bytes of the tiny vision tower's attention scores: two heads, bfloat16."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def target(shared_agent: SharedAgent) -> SharedAgent:
    return shared_agent


def request(room: int, *, cards: int = 1, **workload: Any) -> dict[str, Any]:
    """The tiny architecture on cards whose allocator may take ``room`` bytes each."""
    model = msgspec.to_builtins(resolve("Qwen2.5-VL-7B"))
    devices = [
        {
            "index": index,
            "name": "a card",
            "capability": [9, 0],
            "total_bytes": 80 * 2**30,
            "free_bytes": 79 * 2**30,
        }
        for index in range(cards)
    ]
    return {
        "model": {**model, "config": model["tiny_config"], "path": None},
        "workload": {
            "images": [[SIDE, SIDE]],
            "videos": [],
            "text_tokens": 50,
            "new_tokens": 2,
            "batch": 1,
            "mode": "generate",
            "attention": "eager",
            "dtype": "bfloat16",
            "device_map": None,
            "cap_bytes": room + CONTEXT + KERNELS,
            **workload,
        },
        "inputs": {"devices.torch": {"context_bytes": CONTEXT, "devices": devices}},
    }


def predicted(client: SharedAgent, asked: dict[str, Any]) -> PredictedFacts:
    record = client.run(PREDICTED.entry, asked, PREDICTED.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, PredictedFacts)


def test_eager_scores_do_not_fit_and_are_named(target: SharedAgent) -> None:
    facts = predicted(target, request(4 * SCORES))
    assert facts.status == "predicted", facts.reason
    assert facts.fits is False
    [device] = facts.devices
    assert device.usable_bytes == 4 * SCORES
    assert device.failure is not None
    assert device.failure.phase == "vision"
    assert device.failure.module.endswith("visual.blocks.1.attn")  # block 0 attends in windows
    assert device.failure.requested_bytes in (SCORES, 2 * SCORES)
    assert device.peak_allocated_bytes > 4 * SCORES
    assert device.history


def test_the_same_card_is_enough_for_sdpa(target: SharedAgent) -> None:
    facts = predicted(target, request(4 * SCORES, attention="sdpa"))
    assert facts.fits is True
    assert facts.devices[0].failure is None


def test_a_named_card_keeps_its_number(target: SharedAgent) -> None:
    facts = predicted(target, request(4 * SCORES, cards=2, device_map="cuda:1"))
    assert [device.index for device in facts.devices] == [1]


def test_a_card_that_is_not_there(target: SharedAgent) -> None:
    facts = predicted(target, request(4 * SCORES, device_map="cuda:3"))
    assert (facts.status, facts.obstacle) == ("not_run", "unavailable")


def test_without_a_gpu_or_a_model_nothing_is_predicted(target: SharedAgent) -> None:
    asked = request(4 * SCORES)
    asked["inputs"] = {"devices.torch": {"devices": []}}
    assert predicted(target, asked).obstacle == "no_gpu"
    nameless = request(4 * SCORES)
    nameless["model"]["source"] = "tiny"
    assert predicted(target, nameless).obstacle == "no_model"


@pytest.mark.slow
def test_the_search_finds_a_change_and_the_largest_image(target: SharedAgent) -> None:
    asked = request(4 * SCORES)
    asked["inputs"]["memory.as_stated"] = {
        "status": "out_of_memory",
        "selected": {"vision": "eager", "text": "eager"},
        "cards": [],
        "load": {"images": [[SIDE, SIDE]]},
    }
    record = target.run(CANDIDATES.entry, asked, CANDIDATES.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    facts = msgspec.convert(record.data, CandidatesFacts)
    sdpa = facts.of("sdpa")
    assert sdpa is not None and sdpa.fits
    assert sdpa.devices[0].peak_allocated_bytes < 4 * SCORES
    largest = facts.largest_image
    assert largest is not None, facts.notes
    assert largest.side % 28 == 0
    assert largest.side < SIDE
    assert not largest.at_the_limit
    bigger = [[largest.side + largest.unit] * 2]
    assert predicted(target, request(4 * SCORES, images=bigger)).fits is False
    assert predicted(target, request(4 * SCORES, images=[[largest.side] * 2])).fits is True
