"""What a measurement may take of a card, and what it does where there is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from tests.target import SharedAgent

from qvl_checks.devices.collective_facts import COLLECTIVE
from qvl_checks.devices.consistency_facts import CONSISTENCY
from qvl_checks.devices.kernel_speed_facts import KERNEL_SPEED
from qvl_checks.devices.load_facts import LOAD
from qvl_checks.devices.peer_copy_facts import PEER_COPY
from qvl_checks.devices.room import MOST, allowance, claim, refusal_in
from qvl_checks.devices.split_model_facts import SPLIT_MODEL
from qvl_checks.memory.cards import GIB, SPARE, Refused
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.probe import Probe

MIB = 2**20
CARD: dict[str, Any] = {
    "free": 80 * GIB,
    "others": 0,
    "cap": None,
    "context": 512 * MIB,
    "need": 256 * MIB,
}


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({}, MOST - 512 * MIB),
        ({"cap": 24 * GIB}, MOST - 512 * MIB),  # a large cap is no licence
        ({"cap": GIB}, 512 * MIB),
        ({"free": GIB}, GIB),
        ({"free": SPARE + 300 * MIB, "others": 70 * GIB}, 300 * MIB),
    ],
)
def test_how_much_is_taken(card: dict[str, Any], expected: int) -> None:
    assert allowance(0, **{**CARD, **card}) == expected


@pytest.mark.parametrize(
    ("card", "kind", "words"),
    [
        ({"cap": 600 * MIB}, "too_small", "of the cap of 0.59 GiB GPU 3 can give 0.09 GiB"),
        ({"cap": 100 * MIB}, "too_small", "can give 0.00 GiB"),
        ({"free": 100 * MIB}, "too_small", "GPU 3 can give 0.10 GiB"),
        ({"free": GIB, "others": 70 * GIB}, "in_use", "other processes hold 70.00 GiB"),
    ],
)
def test_a_card_that_has_too_little_is_left_alone(
    card: dict[str, Any], kind: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        allowance(3, **{**CARD, **card})
    assert refused.value.kind == kind


def test_a_processor_needs_no_claim() -> None:
    assert claim(torch, ["cpu", "cpu"], GIB, {}) == []


def test_a_refusal_that_came_through_a_child_is_a_sentence() -> None:
    assert refusal_in("Refused: GPU 0 is full") == "GPU 0 is full"
    assert refusal_in("ValueError: x") == "ValueError: x"


@pytest.mark.parametrize(
    "probe", [COLLECTIVE, CONSISTENCY, KERNEL_SPEED, LOAD, PEER_COPY, SPLIT_MODEL]
)
def test_where_torch_found_no_gpu_every_probe_says_so(
    probe: Probe, shared_agent: SharedAgent
) -> None:
    inputs = {"devices.torch": {"devices": [], "cuda_error": "the driver is too old"}}
    record = shared_agent.run(probe.entry, {"inputs": inputs}, probe.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    facts: Any = msgspec.convert(record.data, probe.facts)
    assert facts.reason == "the driver is too old"
