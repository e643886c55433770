"""Copies between GPUs that arrive changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qvl_checks.devices.copy_ways import THROUGH_HOST
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.identity import uuid_of
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.peer_copy_facts import ChainResult, Damage, PairResult, PeerCopyFacts
from qvl_checks.devices.peer_copy_fixes import hints, peer_copy_fixes
from qvl_checks.devices.topology_facts import TopologyFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Chart, Confidence, Series
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

GIB = 2**30
SYMPTOMS = ("devices.device-side-assert", "devices.split-model-differs", "devices.nccl-peer-hang")
INSTEAD = {
    "zeros": "zeros stand there",
    "old content": "what was in the memory before still stands there: nothing arrived",
    "shifted data": "the data stand at the wrong place",
    "flipped bits": "single bits are flipped",
    "other": "other bytes stand there",
}


@check("devices.peer-copy-corruption")
def peer_copy_corruption(
    copies: PeerCopyFacts,
    torch: TorchFacts,
    topology: TopologyFacts | None,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """Bytes decide; what the driver promises and what the buses look like only explain."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if len(torch.devices) < 2:
        return not_applicable("torch sees one GPU only: nothing is copied between GPUs")
    if copies.reason or not copies.pairs:
        return blocked(f"nothing was copied: {copies.reason or 'no pair was listed'}")
    evidence = _evidence(copies, torch, topology, host)
    charts = _charts(copies)
    damaged = [pair for pair in copies.pairs if pair.mismatched_bytes()]
    late = [chain for chain in copies.chains if chain.mismatched_bytes]
    every: list[PairResult | ChainResult] = [*copies.pairs, *copies.chains]
    hung = [one for one in every if one.status == "timed_out"]
    if damaged or late or hung:
        title, cause = (
            _damage_words(damaged)
            if damaged
            else _chain_words(late)
            if late
            else _hang_words(hung[0].name, hung[0].reason)
        )
        known = hints(topology)
        return failed(
            title,
            cause + (f" On this machine {' and '.join(known)}." if known else ""),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=peer_copy_fixes(copies, topology),
            explains=SYMPTOMS,
            charts=charts,
        )
    if any(pair.unfaithful for pair in copies.pairs):
        named = sorted({pair.source for pair in copies.pairs if pair.unfaithful})
        return failed(
            f"GPU {named[0]} does not give back what was written to it",
            "Random bytes sent from the host and read back differ, before any other GPU takes "
            "part: the card, its memory or its bus is at fault.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            explains=SYMPTOMS,
            charts=charts,
        )
    detours = [pair for pair in copies.pairs if pair.mismatched_bytes(THROUGH_HOST)]
    if detours:
        return failed(
            f"Copies through the host between {detours[0].name} arrive damaged",
            "Direct copies are whole, those by way of main memory are not: the bus to the host, "
            "main memory or the driver is at fault.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            explains=SYMPTOMS,
        )
    unfinished = [one for one in every if one.status != "ok"]
    if unfinished:
        reason = (
            f"{len(unfinished)} of {len(every)} pairs and chains were not compared, "
            f"{unfinished[0].name} among them: {unfinished[0].reason}"
        )
        if len(unfinished) == len(every) and unfinished[0].status == "not_run":
            return blocked(reason)
        return inconclusive(reason, evidence=evidence)
    compared = sum(pair.compared_bytes for pair in copies.pairs)
    return passed(
        f"{len(copies.pairs)} ordered pairs of GPUs exchange tensors without a changed byte",
        f"{compared / GIB:.1f} GiB were copied in {len(copies.pairs[0].sizes)} sizes and "
        f"compared through the host{_chains_too(copies)}.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        charts=charts,
    )


def _damage_words(damaged: list[PairResult]) -> tuple[str, str]:
    worst = max(damaged, key=lambda pair: pair.mismatched_bytes())
    example = [one for size in worst.sizes for one in size.damage if one.way != THROUGH_HOST]
    title = f"Copies {worst.name} arrive damaged"
    cause = (
        f"{worst.mismatched_bytes()} bytes came changed, without any error"
        f"{_example_words(example)}. A model spread over these GPUs computes on such "
        f"data. {len(damaged)} ordered pair(s) are affected."
    )
    return title, cause


def _example_words(damages: Sequence[Damage]) -> str:
    if not damages:
        return ""
    damage = max(damages, key=lambda one: one.mismatched_bytes)
    moved = f" ({damage.shift:+d} bytes)" if damage.shift is not None else ""
    return (
        f". In the worst of them damage begins {damage.first_offset} bytes into the tensor, and "
        f"{INSTEAD.get(damage.instead, damage.instead)}{moved}"
    )


def _chain_words(late: list[ChainResult]) -> tuple[str, str]:
    return (
        f"A tensor that goes {late[0].name} arrives damaged",
        f"{late[0].mismatched_bytes} bytes came changed, although every pair of these GPUs copies "
        f"faithfully{_example_words(late[0].damage)}. A hop begins before the one before it has "
        f"arrived. {len(late)} of the chains over three GPUs are affected, and so is a model that "
        "is spread over them.",
    )


def _chains_too(copies: PeerCopyFacts) -> str:
    if not copies.chains:
        return ""
    return f", and so were {len(copies.chains)} chains over three GPUs"


def _hang_words(name: str, reason: str) -> tuple[str, str]:
    return (
        f"A copy {name} never ends",
        f"The child that copied was killed ({reason}). A model spread over these GPUs "
        "hangs at the first layer on the other card.",
    )


def _evidence(
    copies: PeerCopyFacts,
    torch: TorchFacts,
    topology: TopologyFacts | None,
    host: HostFacts | None,
) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "pairs": {pair.name: _row(pair, torch, topology) for pair in copies.pairs},
        "damage": [
            {"pair": pair.name, "tensor bytes": size.bytes, **_fields(one)}
            for pair in copies.pairs
            for size in pair.sizes
            for one in size.damage
        ][:20],
        "sizes": _sizes(copies),
        "chains": {
            chain.name: {
                "outcome": chain.status,
                "compared bytes": chain.compared_bytes,
                "changed bytes": chain.mismatched_bytes,
            }
            for chain in copies.chains
        },
    }
    if topology is not None:
        evidence["machine"] = {
            "iommus in use": list(topology.iommus or ()),
            "kernel arguments": list(topology.kernel_arguments or ()),
            "driver parameters": topology.driver_parameters or {},
            "redirecting": hints(topology),
        }
    nccl = {name: value for name, value in _environment(host).items() if name.startswith("NCCL_")}
    return {**evidence, "environment": nccl}


def _row(pair: PairResult, torch: TorchFacts, topology: TopologyFacts | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "outcome": pair.status if not pair.reason else f"{pair.status}: {pair.reason}",
        "compared bytes": pair.compared_bytes,
        "changed bytes": pair.mismatched_bytes(),
        "GB/s": pair.gb_per_s,
        "peer access": pair.peer_access,
    }
    if topology is not None:
        one = topology.card(uuid_of(torch, pair.source))
        other = topology.card(uuid_of(torch, pair.target))
        between = topology.pair(one, other) if one and other else None
        if between is not None:
            row.update(
                {"path": between.path, "driver says": between.read, "NVLink": between.nvlink}
            )
    return row


def _sizes(copies: PeerCopyFacts) -> dict[str, Any]:
    """Over all pairs, by size."""
    rows: dict[str, dict[str, Any]] = {}
    for pair in copies.pairs:
        for size in pair.sizes:
            label = f"{size.bytes} bytes {size.dtype}" + ("" if size.aligned else ", unaligned")
            row = rows.setdefault(label, {"copies": 0, "changed bytes": 0})
            row["copies"] += size.copies
            row["changed bytes"] += size.mismatched_bytes
    return rows


def _fields(damage: Damage) -> dict[str, Any]:
    return {
        "way": damage.way,
        "pattern": damage.pattern,
        "changed bytes": damage.mismatched_bytes,
        "first offset": damage.first_offset,
        "last offset": damage.last_offset,
        "instead": damage.instead,
        "shift": damage.shift,
    }


def _environment(host: HostFacts | None) -> dict[str, str]:
    return host.environment if host is not None else {}


def _charts(copies: PeerCopyFacts) -> tuple[Chart, ...]:
    points = tuple((pair.name, pair.gb_per_s) for pair in copies.pairs if pair.gb_per_s is not None)
    bad = any(pair.mismatched_bytes() for pair in copies.pairs)
    if not points:
        return ()
    series = Series(name="copy", points=points, emphasis="bad" if bad else "normal")
    return (
        Chart(
            kind="bar",
            title="Speed of copies between GPUs",
            x="from → to",
            y="GB/s",
            series=(series,),
        ),
    )
