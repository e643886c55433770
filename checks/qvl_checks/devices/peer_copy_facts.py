"""Whether copies between two GPUs arrive as they were sent."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_checks.devices.copy_ways import THROUGH_HOST
from qvl_doctor.probe import Facts, Level, Probe


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One copy that arrived changed; offsets in bytes from the tensor's first element."""

    way: str
    pattern: str
    repeat: int = 0
    mismatched_bytes: int = 0
    first_offset: int = 0
    last_offset: int = 0
    instead: str = ""
    """``zeros``, ``old content`` (of the target's memory), ``shifted data``, ``flipped bits`` or
    ``other``."""
    shift: int | None = None
    """Bytes by which shifted data came late."""


class SizeResult(msgspec.Struct, frozen=True, kw_only=True):
    """All copies of one tensor between one ordered pair."""

    bytes: int
    dtype: str
    aligned: bool = True
    copies: int = 0
    compared_bytes: int = 0
    mismatched_bytes: int = 0
    by_way: dict[str, int] = {}
    """Way of copying -> bytes that arrived changed."""
    unfaithful_sources: int = 0
    """Times that the source GPU did not give back what the host had written to it; then nothing
    was copied to the other one."""
    damage: tuple[Damage, ...] = ()
    gb_per_s: float | None = None


class PairResult(msgspec.Struct, frozen=True, kw_only=True):
    """One ordered pair, as torch numbers its GPUs."""

    source: int
    target: int
    status: str
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``not_run``."""
    reason: str = ""
    peer_access: bool | None = None
    """What ``torch.cuda.can_device_access_peer`` says of the source reaching the target."""
    sizes: tuple[SizeResult, ...] = ()

    @property
    def name(self) -> str:
        """``cuda:0 → cuda:1``."""
        return f"cuda:{self.source} → cuda:{self.target}"

    @property
    def compared_bytes(self) -> int:
        """Over all sizes and ways."""
        return sum(size.compared_bytes for size in self.sizes)

    @property
    def unfaithful(self) -> bool:
        """Whether the source GPU itself did not keep what the host wrote."""
        return any(size.unfaithful_sources for size in self.sizes)

    @property
    def gb_per_s(self) -> float | None:
        """Of the largest tensor that was timed."""
        timed = [size for size in self.sizes if size.gb_per_s is not None]
        return max(timed, key=lambda size: size.bytes).gb_per_s if timed else None

    def mismatched_bytes(self, way: str | None = None) -> int:
        """By one way of copying, or by all that go directly from GPU to GPU."""
        return sum(
            count
            for size in self.sizes
            for name, count in size.by_way.items()
            if (name == way if way is not None else name != THROUGH_HOST)
        )


class ChainResult(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor over several GPUs in a row, nobody waiting in between."""

    gpus: tuple[int, ...]
    status: str
    reason: str = ""
    rounds: int = 0
    compared_bytes: int = 0
    mismatched_bytes: int = 0
    damage: tuple[Damage, ...] = ()

    @property
    def name(self) -> str:
        """``cuda:0 → cuda:1 → cuda:2``."""
        return " → ".join(f"cuda:{gpu}" for gpu in self.gpus)


class PeerCopyFacts(Facts):
    """Every ordered pair of the GPUs that torch sees."""

    probe: ClassVar[str] = "devices.peer-copy"
    device_count: int | None = None
    reason: str = ""
    """Why nothing was copied at all."""
    pairs: tuple[PairResult, ...] = ()
    chains: tuple[ChainResult, ...] = ()
    """Over three GPUs each, where there are so many."""


PEER_COPY = Probe(
    id="devices.peer-copy",
    title="copies tensors between the GPUs and compares every byte",
    facts=PeerCopyFacts,
    entry="qvl_checks.devices.peer_copy_probe:run",
    budget_s=180,
    level=Level.STANDARD,
    imports=("torch",),
    inputs=("devices.torch",),
    gpu=True,
)
