"""Copies between two devices, compared byte by byte through the host. Runs in the target.

The copies are those that a model spread over GPUs makes. The way of copying is a parameter, so
that the comparison itself can be tested with a way that damages.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from qvl_checks.devices.byte_damage import POISON, describe
from qvl_checks.devices.copy_ways import WAYS, Copy, without_host
from qvl_checks.devices.room import synchronize

MIB = 2**20
KEPT_DAMAGE = 4
"""Damaged copies described in full, for each size."""
TIMED_FROM = MIB
TIMED_COPIES = 5
ONCE_FROM = 16 * MIB
"""Bytes from which on a copy is not repeated: there are enough of them."""

WIDTHS = {"uint8": 1, "float16": 2, "bfloat16": 2, "float32": 4, "int64": 8}


class Case(NamedTuple):
    """One size of tensor."""

    elements: int
    dtype: str
    skip: int = 0
    """Elements before its first one in memory, so that it does not start at a round address."""

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return WIDTHS[self.dtype]

    @property
    def bytes(self) -> int:
        """Of the tensor, without what is skipped."""
        return self.elements * self.width


SMALL = (
    Case(1, "uint8"),
    Case(1023, "uint8", 1),
    Case(4099, "bfloat16", 1),
    Case(65_537, "float16", 3),
    Case(MIB // 4, "float32"),
)
MEDIUM = Case(4 * MIB // 8 + 1, "int64", 1)
LARGE = Case(16 * MIB // 2, "bfloat16")
CHAIN_ROUNDS = 10
HUGE = (Case(96 * MIB // 4 + 1, "float32", 1), Case(256 * MIB // 2, "bfloat16"))


def cases(level: str, pairs: int) -> tuple[Case, ...]:
    """Tensors for a level; many pairs leave less time for each."""
    if level == "deep":
        return (*SMALL, MEDIUM, LARGE, *HUGE)
    return (*SMALL, MEDIUM, LARGE) if pairs <= 6 else (*SMALL, MEDIUM)


def compare_pair(
    torch: Any,
    source: str,
    target: str,
    sizes: Sequence[Case],
    repeats: int,
    ways: Mapping[str, Copy] = WAYS,
) -> list[dict[str, Any]]:
    """One row for each size; see `SizeResult` of the facts for the fields."""
    return [_compare(torch, source, target, case, repeats, ways) for case in sizes]


def follow_chain(
    torch: Any, devices: Sequence[str], rounds: int = CHAIN_ROUNDS, move: Copy = without_host
) -> dict[str, Any]:
    """A tensor from device to device to device, each hop right behind the other.

    Copies that are whole pair by pair can come too late here, when a hop starts before the one
    before it has arrived.
    """
    compared = mismatched = 0
    damage: list[dict[str, Any]] = []
    for repeat in range(rounds):
        case = (MEDIUM, SMALL[-1])[repeat % 2]
        original = content(torch, case, "random")
        sent = _bytes_to(torch, original, devices[0], case)
        expected = original[case.skip * case.width :].clone()
        poisons = [_poison(torch, case.bytes, device).view(sent.dtype) for device in devices[1:]]
        synchronize(torch, *devices)
        arrived = sent
        for poisoned in poisons:
            arrived = move(arrived, poisoned)
        synchronize(torch, *devices)
        received = _bytes_of(torch, arrived)
        compared += case.bytes
        if not _same(torch, received, expected):
            found = describe(expected, received)
            mismatched += found["mismatched_bytes"]
            damage.append({"way": "chain", "pattern": "random", "repeat": repeat, **found})
    return {
        "rounds": rounds,
        "compared_bytes": compared,
        "mismatched_bytes": mismatched,
        "damage": damage[:KEPT_DAMAGE],
    }


def _compare(
    torch: Any, source: str, target: str, case: Case, repeats: int, ways: Mapping[str, Copy]
) -> dict[str, Any]:
    damage: list[dict[str, Any]] = []
    by_way = dict.fromkeys(ways, 0)
    row = {"copies": 0, "compared_bytes": 0, "unfaithful_sources": 0}
    timed = None
    if case.bytes >= ONCE_FROM:
        repeats = 1
    for pattern in ("ramp", "random"):
        original = content(torch, case, pattern)
        sent = _bytes_to(torch, original, source, case)
        expected = original[case.skip * case.width :].clone()
        if not _same(torch, _bytes_of(torch, sent), expected):
            row["unfaithful_sources"] += 1
            continue
        for way, copy in ways.items():
            for repeat in range(repeats):
                arrived = _bytes_of(torch, _copied(torch, copy, sent, target))
                row["copies"] += 1
                row["compared_bytes"] += expected.numel()
                if _same(torch, arrived, expected):
                    continue
                found = describe(expected, arrived)
                by_way[way] += found["mismatched_bytes"]
                if len(damage) < KEPT_DAMAGE:
                    damage.append({"way": way, "pattern": pattern, "repeat": repeat, **found})
        if timed is None and expected.numel() >= TIMED_FROM:
            timed = _gb_per_s(torch, sent, target)
    return {
        "bytes": case.bytes,
        "dtype": case.dtype,
        "aligned": case.skip == 0,
        **row,
        "mismatched_bytes": sum(by_way.values()),
        "by_way": by_way,
        "damage": damage,
        "gb_per_s": timed,
    }


def content(torch: Any, case: Case, pattern: str) -> Any:
    """Bytes on the host: numbered words, by which a shift shows, or random ones."""
    count = (case.elements + case.skip) * case.width
    generator = torch.Generator().manual_seed(count)
    if pattern == "random":
        words = torch.empty(count // 8 + 1, dtype=torch.int64)
        words.random_(-(2**63), None, generator=generator)
        return words.view(torch.uint8)[:count].clone()
    words = torch.arange(1, count // 4 + 2, dtype=torch.int32) * 0x01000193
    return words.view(torch.uint8)[:count].clone()


def _copied(torch: Any, copy: Copy, sent: Any, target: str) -> Any:
    size = sent.numel() * sent.element_size()
    poisoned = _poison(torch, size, target).view(sent.dtype)
    synchronize(torch, sent.device, target)
    arrived = copy(sent, poisoned)
    synchronize(torch, sent.device, target)
    return arrived


def _poison(torch: Any, size: int, device: str) -> Any:
    return torch.full((size,), POISON, dtype=torch.uint8, device=device)


def _gb_per_s(torch: Any, sent: Any, target: str) -> float:
    """Median over a few copies, the host's waiting included."""
    place = torch.empty_like(sent, device=target)
    seconds = []
    for _ in range(TIMED_COPIES + 1):
        synchronize(torch, sent.device, target)
        started = time.perf_counter()
        place.copy_(sent)
        synchronize(torch, sent.device, target)
        seconds.append(time.perf_counter() - started)
    size = sent.numel() * sent.element_size()
    return round(float(size / max(statistics.median(seconds[1:]), 1e-9) / 1e9), 3)


def _bytes_to(torch: Any, original: Any, device: str, case: Case) -> Any:
    """The bytes as a tensor of the case's type on a device, from its first element on."""
    return original.to(device).view(getattr(torch, case.dtype))[case.skip :]


def _bytes_of(torch: Any, tensor: Any) -> Any:
    """A tensor's bytes on the host, by a copy that no other device takes part in."""
    host = tensor.contiguous().cpu()
    if host.storage_offset() or host.stride(-1) != 1:  # could not be read as words
        host = host.clone(memory_format=torch.contiguous_format)
    return host.view(torch.uint8)


def _same(torch: Any, one: Any, other: Any) -> bool:
    """Whether two rows of bytes are equal; eight at a time, which is many times as fast."""
    words = one.numel() // 8 * 8
    heads = (bytes_[:words].view(torch.int64) for bytes_ in (one, other))
    return bool(torch.equal(*heads)) and bool(torch.equal(one[words:], other[words:]))
