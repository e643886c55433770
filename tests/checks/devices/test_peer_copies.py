"""Copies between devices: whole ones pass, each kind of damage is found and described."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch

from qvl_checks.devices import peer_copies
from qvl_checks.devices.copy_ways import THROUGH_HOST, WAYS, Copy
from qvl_checks.devices.peer_copies import (
    LARGE,
    MEDIUM,
    SMALL,
    Case,
    cases,
    compare_pair,
    follow_chain,
)
from qvl_checks.devices.peer_copy_corruption import peer_copy_corruption
from qvl_checks.devices.peer_copy_facts import ChainResult, PeerCopyFacts, SizeResult
from qvl_checks.devices.peer_copy_fixes import DETOUR
from qvl_checks.devices.peer_copy_probe import chains_of, need
from qvl_checks.devices.room import MOST
from qvl_checks.devices.topology_facts import Bridge, CardPair, CardPlace, TopologyFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_checks.memory.cards import ASSUMED_CONTEXT
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

ODD = Case(4099, "bfloat16", 1)


def compared(copy: Copy, case: Case = ODD, way: str = "to") -> SizeResult:
    [row] = compare_pair(torch, "cpu", "cpu", [case], 1, {way: copy})
    return msgspec.convert(row, SizeResult)


def half(source: Any, poisoned: Any) -> Any:
    arrived = source.clone()
    arrived[len(arrived) // 2 :] = 0
    return arrived


def nothing(source: Any, poisoned: Any) -> Any:
    return poisoned


def shifted(source: Any, poisoned: Any) -> Any:
    return source.roll(7)


def one_bit(source: Any, poisoned: Any) -> Any:
    arrived = source.clone()
    arrived.view(torch.uint8)[5] ^= 4
    return arrived


def scrambled(source: Any, poisoned: Any) -> Any:
    return source.flip(0)


@pytest.mark.parametrize("case", [*SMALL, MEDIUM])
def test_a_whole_copy_has_no_changed_byte_in_any_way(case: Case) -> None:
    [row] = compare_pair(torch, "cpu", "cpu", [case], 2)
    size = msgspec.convert(row, SizeResult)
    assert (size.mismatched_bytes, size.unfaithful_sources, size.damage) == (0, 0, ())
    assert size.copies == 2 * 2 * len(WAYS)  # patterns, repeats
    assert size.compared_bytes == size.copies * size.bytes
    assert case.width == torch.empty(0, dtype=getattr(torch, case.dtype)).element_size()
    assert size.bytes == case.bytes
    assert set(size.by_way) == set(WAYS)


@pytest.mark.parametrize(
    ("copy", "instead"),
    [
        (half, "zeros"),
        (nothing, "old content"),
        (shifted, "shifted data"),
        (one_bit, "flipped bits"),
        (scrambled, "other"),
    ],
)
def test_damage_is_found_and_described(copy: Copy, instead: str) -> None:
    size = compared(copy)
    assert size.by_way == {"to": size.mismatched_bytes} and size.mismatched_bytes > 0
    assert {damage.instead for damage in size.damage} == {instead}
    assert {damage.pattern for damage in size.damage} == {"ramp", "random"}


def test_where_damage_begins_is_told() -> None:
    damage = compared(half).damage[0]
    assert (damage.first_offset, damage.last_offset) == (4099 // 2 * 2, 4099 * 2 - 1)
    assert compared(one_bit).damage[0].first_offset == 5
    assert compared(shifted).damage[0].shift == 14  # seven elements of two bytes


def test_a_single_byte_that_is_lost_is_found() -> None:
    assert compared(nothing, Case(1, "uint8")).mismatched_bytes > 0


def test_one_damaged_way_does_not_blame_the_others() -> None:
    ways = {**WAYS, "strided": half}
    [row] = compare_pair(torch, "cpu", "cpu", [ODD], 1, ways)
    assert row["by_way"]["strided"] == row["mismatched_bytes"] > 0
    assert row["by_way"]["to"] == 0


def test_a_source_that_does_not_keep_its_bytes_is_no_copys_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgetful(*arguments: Any) -> Any:
        return torch.zeros(ODD.elements, dtype=torch.bfloat16)

    monkeypatch.setattr(peer_copies, "_bytes_to", forgetful)
    size = compared(WAYS["to"])
    assert size.unfaithful_sources == 2 and size.copies == 0


def test_sizes_by_level_and_number_of_pairs() -> None:
    assert cases("standard", 2)[-1] == LARGE
    assert LARGE not in cases("standard", 56)
    assert max(case.bytes for case in cases("deep", 2)) == 256 * 2**20
    assert need(cases("deep", 2)) <= MOST - ASSUMED_CONTEXT


def test_every_ordered_pair_is_compared_in_children(on_cpu: Any) -> None:
    rows = on_cpu("matrix", level="standard", devices=2)
    facts = msgspec.convert({"device_count": 2, **rows}, PeerCopyFacts)
    assert facts.chains == ()
    assert [(pair.source, pair.target) for pair in facts.pairs] == [(0, 1), (1, 0)]
    assert {pair.status for pair in facts.pairs} == {"ok"}
    assert all(pair.gb_per_s and pair.compared_bytes > 10**8 for pair in facts.pairs)


def test_a_pair_that_hangs_is_named_and_the_others_are_compared(on_cpu: Any) -> None:
    rows = on_cpu("hanging_matrix", level="standard")
    assert [row["status"] for row in rows["pairs"]] == ["ok", "timed_out"]


def test_three_devices_are_also_followed_in_a_row(on_cpu: Any) -> None:
    rows = on_cpu("matrix", level="standard", devices=3)
    facts = msgspec.convert({"device_count": 3, **rows}, PeerCopyFacts)
    assert len(facts.pairs) == len(facts.chains) == 6
    assert {chain.status for chain in facts.chains} == {"ok"}
    assert all(chain.compared_bytes > 0 == chain.mismatched_bytes for chain in facts.chains)


def test_a_hop_that_begins_too_early_is_seen() -> None:
    hops = iter(range(100))

    def early(source: Any, poisoned: Any) -> Any:
        return poisoned if next(hops) == 1 else poisoned.copy_(source)

    row = follow_chain(torch, ["cpu"] * 3, 2, early)
    assert row["mismatched_bytes"] > 0
    assert {damage["instead"] for damage in row["damage"]} == {"old content"}
    assert follow_chain(torch, ["cpu"] * 3, 2)["mismatched_bytes"] == 0


def test_which_chains_are_followed() -> None:
    assert chains_of(2) == []
    assert len(chains_of(3)) == 6 and len(chains_of(4)) == 24
    eight = chains_of(8)
    assert len(eight) == 16 and (6, 7, 0) in eight and (0, 7, 6) in eight


# The rule


def two(*names: str) -> TorchFacts:
    devices = tuple(
        TorchDevice(index=index, name=name, uuid=f"u{index}")
        for index, name in enumerate(names or ("A card", "A card"))
    )
    return TorchFacts(
        version="2.11.0", cuda="13.0", cuda_built=True, device_count=2, devices=devices
    )


def copies(ways: dict[str, Copy], status: str = "ok", reason: str = "") -> PeerCopyFacts:
    """Facts of a real comparison on CPU tensors, as if between two GPUs."""
    sizes = compare_pair(torch, "cpu", "cpu", [Case(4099, "bfloat16", 1)], 1, ways)
    rows = [
        {"source": 0, "target": 1, "status": "ok", "peer_access": True, "sizes": sizes},
        {"source": 1, "target": 0, "status": status, "reason": reason, "sizes": []},
    ]
    return msgspec.convert({"device_count": 2, "pairs": rows}, PeerCopyFacts)


REDIRECTED = TopologyFacts(
    cards=(
        CardPlace(
            index=0,
            uuid="GPU-u0",
            iommu_group_type="DMA-FQ",
            bridges=(Bridge(address="0000:00:01.0", acs_redirects=True),),
        ),
        CardPlace(index=1, uuid="GPU-u1", iommu_group_type="DMA-FQ"),
    ),
    pairs=(CardPair(first=0, second=1, path="host bridge", read="ok", nvlink="not supported"),),
    iommus=("dmar0",),
)


def judged(
    facts: PeerCopyFacts,
    torch_facts: TorchFacts | None = None,
    topology: TopologyFacts | None = None,
) -> Judgement:
    host = HostFacts(environment={"NCCL_P2P_DISABLE": "1", "HOME": "/home/user"})
    return peer_copy_corruption.judge(
        copies=facts, torch=torch_facts or two(), topology=topology, nvml=None, host=host
    )


def test_whole_copies_pass_and_the_matrix_is_shown() -> None:
    judgement = judged(copies(WAYS), topology=REDIRECTED)
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    row = judgement.evidence["pairs"]["cuda:0 → cuda:1"]
    assert row["changed bytes"] == 0 and row["compared bytes"] > 0
    assert (row["peer access"], row["path"], row["driver says"]) == (True, "host bridge", "ok")
    assert judgement.evidence["environment"] == {"NCCL_P2P_DISABLE": "1"}


def test_damage_fails_and_says_what_stands_there() -> None:
    judgement = judged(copies({**WAYS, "to": half}), topology=REDIRECTED)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title == "Copies cuda:0 → cuda:1 arrive damaged"
    assert "zeros" in judgement.cause
    assert "DMA-FQ" in judgement.cause and "0000:00:01.0" in judgement.cause
    assert judgement.evidence["damage"][0]["instead"] == "zeros"


def test_the_detour_is_verified_only_where_it_was_whole() -> None:
    fixes = judged(copies({**WAYS, "to": half})).fixes
    [detour] = [fix for fix in fixes if fix.code == DETOUR]
    assert detour.verified and "MiB" in (detour.verification or "")
    fixes = judged(copies({"to": half, THROUGH_HOST: half})).fixes
    [detour] = [fix for fix in fixes if fix.code == DETOUR]
    assert not detour.verified


def test_damage_on_the_detour_alone_is_told_apart() -> None:
    judgement = judged(copies({**WAYS, THROUGH_HOST: half}))
    assert judgement.outcome is Outcome.FAIL
    assert "through the host" in judgement.title


def test_a_hang_is_a_finding() -> None:
    judgement = judged(copies(WAYS, "timed_out", "no answer within 15 s"))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title == "A copy cuda:1 → cuda:0 never ends"


def test_a_card_that_forgets_is_named() -> None:
    facts = copies({})
    sizes = ({"bytes": 8, "dtype": "uint8", "unfaithful_sources": 1},)
    row = {"source": 1, "target": 0, "status": "ok", "sizes": sizes}
    facts.pairs = (facts.pairs[0], msgspec.convert(row, type(facts.pairs[0])))
    judgement = judged(facts)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title.startswith("GPU 1 does not give back")


def test_a_chain_that_damages_fails_where_every_pair_is_whole() -> None:
    facts = copies(WAYS)
    row = follow_chain(torch, ["cpu"] * 3, 2, nothing)
    facts.chains = msgspec.convert(
        [{"gpus": (0, 1, 2), "status": "ok", **row}], tuple[ChainResult, ...]
    )
    judgement = judged(facts)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title == "A tensor that goes cuda:0 → cuda:1 → cuda:2 arrives damaged"


@pytest.mark.parametrize("status", ["raised", "crashed", "not_run"])
def test_a_pair_that_was_not_compared_leaves_the_question_open(status: str) -> None:
    assert judged(copies(WAYS, status, "why")).outcome is Outcome.INCONCLUSIVE


def test_where_nothing_was_copied() -> None:
    assert judged(PeerCopyFacts(reason="GPU 0 is full")).outcome is Outcome.BLOCKED
    one = TorchFacts(cuda_built=True, device_count=1, devices=(TorchDevice(index=0),))
    assert judged(PeerCopyFacts(), one).outcome is Outcome.NOT_APPLICABLE
    none = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)
    assert judged(PeerCopyFacts(), none).outcome is Outcome.NOT_APPLICABLE
    refused = PeerCopyFacts(device_count=2, pairs=copies({}, "not_run", "in use").pairs[1:])
    assert judged(refused).outcome is Outcome.BLOCKED
