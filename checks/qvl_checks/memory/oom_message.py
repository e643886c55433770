"""The numbers of an out-of-memory message. Standard library only: probes use it in the target.

Wordings of CUDA messages: torch 2.0 ("GPU 0; 23.69 GiB total capacity; ... already allocated"),
2.1 and later ("GPU 0 has a total capacity of ..."), with or without other processes, an allowed
fraction, and private pools; and the CPU allocator's ("you tried to allocate N bytes").
"""

from __future__ import annotations

import re
from typing import NamedTuple

GIB = 2**30
ALLOCATOR_GRAIN = 2 * 2**20
"""The CUDA allocator rounds a large request up to this before it prints it."""
SHARED_SEGMENT = 20 * 2**20
"""What the CUDA allocator creates, and prints, for a request of more than 1 and up to 10 MiB."""

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": GIB}
_SIZE = r"(\d+(?:\.\d+)?) (bytes|KiB|MiB|GiB)"
_TRIED = re.compile(r"[Tt]ried to allocate " + _SIZE)
_GPU = re.compile(r"\bGPU (\d+)(?:;| has)")
_FIELDS = {
    "capacity": (r"total capaci?ty of " + _SIZE, _SIZE + r" total capacity"),
    "free": (r"of which " + _SIZE + r" is free", _SIZE + r" free;?"),
    "this_process": (r"this process has " + _SIZE + r" memory in use",),
    "allowed": (_SIZE + r" allowed;",),
    "allocated": (_SIZE + r" is allocated by PyTorch", _SIZE + r" already allocated"),
    "private_pools": (_SIZE + r" allocated in private pools",),
    "unallocated": (_SIZE + r" is reserved by PyTorch but unallocated",),
    "reserved": (_SIZE + r" reserved in total",),
}
_PATTERNS = {name: [re.compile(p) for p in patterns] for name, patterns in _FIELDS.items()}
_OTHERS = re.compile(r"(?<!this )[Pp]rocess (\d+) has " + _SIZE + r" memory in use")
_OUT_OF_MEMORY = re.compile(
    r"out of memory|[Tt]ried to allocate|can't allocate memory|STATUS_ALLOC_FAILED|bad_alloc"
)


class Amount(NamedTuple):
    """A number of bytes as a message prints it: anything from ``low`` to ``high`` rounds to it."""

    low: int
    high: int

    @property
    def exact(self) -> bool:
        """Whether the message gave the bytes themselves."""
        return self.low == self.high


class Message(NamedTuple):
    """What an out-of-memory message says; None for what it leaves out."""

    requested: Amount | None = None
    gpu: int | None = None
    capacity: Amount | None = None
    free: Amount | None = None
    this_process: Amount | None = None
    allowed: Amount | None = None
    allocated: Amount | None = None
    private_pools: Amount | None = None
    unallocated: Amount | None = None
    reserved: Amount | None = None
    other_processes: tuple[tuple[int, Amount], ...] = ()
    """(process id, its memory); inside a container the id may be this very process's."""

    def may_be(self, size: int) -> bool:
        """Whether a tensor of ``size`` bytes can have asked for what the message prints."""
        if self.requested is None or size <= 0:
            return False
        return any(
            self.requested.low <= asked <= self.requested.high for asked in requests_of(size)
        )


def requests_of(size: int) -> tuple[int, ...]:
    """What the allocators may print for a tensor of ``size`` bytes: itself (CPU), rounded up to
    512 (expandable segments), or to the segment that the CUDA allocator would have created."""
    rounded = -(-size // 512) * 512
    if rounded <= 2**20:
        segment = ALLOCATOR_GRAIN
    elif rounded < SHARED_SEGMENT // 2:
        segment = SHARED_SEGMENT
    else:
        segment = -(-rounded // ALLOCATOR_GRAIN) * ALLOCATOR_GRAIN
    return (size, rounded, segment)


def is_out_of_memory(text: str) -> bool:
    """Whether an error's text says that memory ran out."""
    return bool(_OUT_OF_MEMORY.search(text))


def parse(text: str) -> Message:
    """Read a message; the first one, when the text holds several."""
    tried = _TRIED.search(text)
    if tried is None:
        return Message()
    following = _TRIED.search(text, tried.end())
    one = text[tried.start() : following.start() if following else len(text)]
    gpu = _GPU.search(one)
    found = {name: _first(patterns, one) for name, patterns in _PATTERNS.items()}
    others = tuple((int(match[1]), amount(match[2], match[3])) for match in _OTHERS.finditer(one))
    return Message(
        requested=amount(tried[1], tried[2]),
        gpu=int(gpu[1]) if gpu else None,
        other_processes=others,
        **found,
    )


def amount(number: str, unit: str) -> Amount:
    """``("12.20", "GiB")`` as the interval of bytes that is printed so."""
    scale = _UNITS[unit]
    decimals = len(number.partition(".")[2])
    if unit == "bytes" and not decimals:
        return Amount(int(number), int(number))
    half = scale / (2 * 10**decimals)
    middle = float(number) * scale
    return Amount(round(middle - half), round(middle + half))


def _first(patterns: list[re.Pattern[str]], text: str) -> Amount | None:
    for pattern in patterns:
        match = pattern.search(text)
        if match:
            return amount(match[1], match[2])
    return None
