"""The GPUs of one run: how much of each may be used, and what is used of it.

Runs in the target: standard library at module level; ``torch`` is handed in. Everything that
depends on CUDA is here. `NoCards` stands in where a run is on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MIB = 2**20
GIB = 2**30
ASSUMED_CONTEXT = 600 * MIB
"""What a CUDA context with loaded kernels takes, where it could not be measured."""
SHARED_FROM = 256 * MIB
"""Memory of others on a card above which it counts as shared."""
SPARE = GIB
"""Left to the others on a shared card when the user states no cap."""


class Refused(Exception):
    """The run must not start; ``kind`` is for the check, the message for people."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class NoCards:
    """A run without a GPU: nothing to limit and nothing to measure."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def room(self) -> int:
        """None."""
        return 0

    def capacity(self) -> int:
        """None."""
        return 0

    def peaks(self) -> dict[int, int]:
        """None."""
        return {}

    def readings(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def reset_peaks(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Cards:
    """The visible GPUs, with a limit on each."""

    def __init__(
        self, torch: Any, indices: Sequence[int], *, cap: int | None, context: int | None
    ) -> None:
        """Open a CUDA context on each card and limit the allocator.

        ``cap`` is all that the process may take on a card, context included; ``context`` is what
        a bare context takes, as measured before (None: not measured).

        Raises:
            Refused: a card has less free than the cap, or nothing worth using.
        """
        self._torch = torch
        self._cuda = torch.cuda
        self._free = torch.cuda.mem_get_info  # (free, total), kept from `play_smaller`
        self.indices = tuple(indices)
        self.rows = [self._open(index, cap, context) for index in self.indices]
        self._by_index = {row["index"]: row for row in self.rows}
        for row in self.rows:
            if row["limit_bytes"] is not None:
                fraction = row["limit_bytes"] / row["total_bytes"]
                self._cuda.set_per_process_memory_fraction(fraction, row["index"])
        self.reset_peaks()

    def room(self) -> int:
        """Bytes that the allocator may take on all cards together."""
        return sum(self._room(row) for row in self.rows)

    def capacity(self) -> int:
        """The same, if nobody else used the cards."""
        return sum(
            row["total_bytes"] - row["context_bytes"]
            if row["cap_bytes"] is None
            else row["cap_bytes"] - row["context_bytes"]
            for row in self.rows
        )

    def play_smaller(self) -> None:
        """Let ``torch.cuda.mem_get_info`` answer as cards of the capped size would.

        Placement code (accelerate, transformers) plans with what it says is free.
        """

        def capped(device: Any = None) -> tuple[int, int]:
            free, total = self._free(device)
            row = self._by_index.get(self._index_of(device))
            if row is None or row["limit_bytes"] is None:
                return free, total
            left = row["limit_bytes"] - self._cuda.memory_reserved(row["index"])
            return min(free, max(left, 0)), row["cap_bytes"] or total

        self._cuda.mem_get_info = capped
        self._cuda.memory.mem_get_info = capped

    def peaks(self) -> dict[int, int]:
        """Bytes in tensors at the worst moment so far, by card."""
        return {index: self._cuda.max_memory_allocated(index) for index in self.indices}

    def reset_peaks(self) -> None:
        """Forget the peaks so far."""
        for index in self.indices:
            self._cuda.reset_peak_memory_stats(index)

    def readings(self) -> list[dict[str, Any]]:
        """What each card holds now: tensors, the allocator's segments, and what is free."""
        rows = []
        for index in self.indices:
            free, _ = self._free(index)
            rows.append(
                {
                    "index": index,
                    "allocated_bytes": self._cuda.memory_allocated(index),
                    "reserved_bytes": self._cuda.memory_reserved(index),
                    "free_bytes": free,
                }
            )
        return rows

    def close(self) -> None:
        """Record the peaks and what the context grew to, and give back what is cached."""
        for row in self.rows:
            index = row["index"]
            row["peak_allocated_bytes"] = self._cuda.max_memory_allocated(index)
            row["peak_reserved_bytes"] = self._cuda.max_memory_reserved(index)
        self._cuda.empty_cache()
        for row in self.rows:
            free, total = self._free(row["index"])
            reserved = self._cuda.memory_reserved(row["index"])
            row["context_after_bytes"] = total - free - reserved - row["others_bytes"]

    def _open(self, index: int, cap: int | None, context: int | None) -> dict[str, Any]:
        torch, cuda = self._torch, self._cuda
        properties = cuda.get_device_properties(index)
        torch.ones(1, device=f"cuda:{index}")
        free, total = self._free(index)
        bare = context or ASSUMED_CONTEXT
        others = max(total - free - cuda.memory_reserved(index) - bare, 0)
        self._load_kernels(index)
        free, total = self._free(index)
        taken = total - free - cuda.memory_reserved(index) - others
        row = {
            "index": index,
            "name": properties.name,
            "capability": [properties.major, properties.minor],
            "total_bytes": total,
            "free_bytes": free,
            "others_bytes": others,
            "context_bytes": max(taken, bare),
            "context_measured": context is not None,
            "cap_bytes": cap,
            "workspace_bytes": cuda.memory_allocated(index),
        }
        row["limit_bytes"] = self._limit(row)
        return row

    def _load_kernels(self, index: int) -> None:
        """Run one of each kind of kernel: libraries that load later would eat into the limit."""
        torch = self._torch
        with torch.no_grad():
            x = torch.ones(64, 64, device=f"cuda:{index}", dtype=torch.float16)
            (x @ x).float().softmax(-1)
            heads = x.reshape(1, 1, 64, 64)
            torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)
            volume = x.reshape(1, 1, 16, 16, 16)
            torch.nn.functional.conv3d(volume, volume[..., :2, :2, :2])
        self._cuda.synchronize(index)
        self._cuda.empty_cache()

    def _limit(self, row: dict[str, Any]) -> int | None:
        """Bytes that the allocator may reserve; None: all that the card gives."""
        cap, context, others = row["cap_bytes"], row["context_bytes"], row["others_bytes"]
        room = row["free_bytes"] + self._cuda.memory_reserved(row["index"])
        if cap is not None:
            if cap <= context:
                raise Refused("cap_too_small", _too_small(row))
            if cap - context > room:
                raise Refused("in_use" if others > SHARED_FROM else "cap_too_large", _no_room(row))
            return int(cap - context)
        if others <= SHARED_FROM:
            return None
        if room <= SPARE:
            raise Refused("in_use", _no_room(row))
        return int(room - SPARE)

    def _room(self, row: dict[str, Any]) -> int:
        limit = row["limit_bytes"]
        return int(row["free_bytes"] if limit is None else limit)

    def _index_of(self, device: Any) -> int:
        if isinstance(device, int):
            return device
        index = self._torch.device(device).index if device is not None else None
        return self._cuda.current_device() if index is None else int(index)


def visible_cards(torch: Any) -> int:
    """How many GPUs this process can use.

    Raises:
        Refused: none, with the reason as far as torch tells it.
    """
    if not torch.backends.cuda.is_built() and not torch.version.hip:
        raise Refused("no_cuda", f"torch {torch.__version__} is built without CUDA")
    if torch.cuda._is_in_bad_fork():
        raise Refused("no_cuda", "CUDA was started before this process was forked")
    if not torch.cuda.is_available():
        raise Refused("no_cuda", "torch sees no CUDA device")
    return int(torch.cuda.device_count())


def gib(count: int) -> str:
    """``12.20 GiB``."""
    return f"{count / GIB:.2f} GiB"


def _too_small(row: dict[str, Any]) -> str:
    return (
        f"the cap of {gib(row['cap_bytes'])} leaves nothing beside the CUDA context, "
        f"which takes {gib(row['context_bytes'])} on GPU {row['index']}"
    )


def _no_room(row: dict[str, Any]) -> str:
    others = row["others_bytes"]
    who = f"; other processes hold {gib(others)}" if others > SHARED_FROM else ""
    wish = "" if row["cap_bytes"] is None else f", less than the cap of {gib(row['cap_bytes'])}"
    return f"GPU {row['index']} has {gib(row['free_bytes'])} free{wish}{who}"
