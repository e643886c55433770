"""The numbers of an out-of-memory message. Standard library only: probes use it in the target.

Wordings of CUDA messages: torch 2.0 ("GPU 0; 23.69 GiB total capacity; ... already allocated"),
2.1 and later ("GPU 0 has a total capacity of ..."), with or without other processes, an allowed
fraction, and private pools; and the CPU allocator's ("you tried to allocate N bytes"). Case, line
breaks and the usual misreadings of a screenshot make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

GIB = 2**30
ALLOCATOR_GRAIN = 2 * 2**20
"""The CUDA allocator rounds a large request up to this before it prints it."""
CUDA_CONTEXT = GIB
"""What a process takes of a card besides its tensors: the context, the libraries' workspaces."""
SHARED_SEGMENT = 20 * 2**20
"""What the CUDA allocator creates, and prints, for a request of more than 1 and up to 10 MiB."""

_UNITS = {
    "b": 1,
    "byte": 1,
    "bytes": 1,
    "k": 2**10,
    "kb": 2**10,
    "kib": 2**10,
    "m": 2**20,
    "mb": 2**20,
    "mib": 2**20,
    "g": GIB,
    "gb": GIB,
    "gib": GIB,
    "tb": 2**40,
    "tib": 2**40,
}
_MISREAD = str.maketrans({"o": "0", "O": "0", "l": "1", "I": "1", "i": "1", ",": "."})
_NUMBER = r"([\dol]{1,16}(?:[.,][\doli]{1,3})?)"
"""Screenshots turn digits into letters: O for 0, l or I for 1."""
_SIZE = _NUMBER + r"\s{0,3}(bytes|[kmgt]ib)\b"
_LOOSE_SIZE = r"(\d{1,6}(?:[.,]\d{1,3})?)\s{0,2}([kmgt]i?b)\b"


def _pattern(words: str) -> re.Pattern[str]:
    """Case is ignored, and a space in it stands for a few, a line's end included."""
    return re.compile(words.replace(" ", r"\s{1,3}"), re.IGNORECASE | re.ASCII)


_TRIED = _pattern(r"tried to a[l1i]{2}[o0]cate " + _SIZE)
_GPU = _pattern(r"\bGPU (\d{1,3})(?:;|,| has)")
_FIELDS = {
    "capacity": (r"total capac\w{1,6} of " + _SIZE, _SIZE + r" total capacity"),
    "free": (r"of which " + _SIZE + r" is free", _SIZE + r" free;?"),
    "this_process": (r"this process has " + _SIZE + r" memory in use",),
    "allowed": (_SIZE + r" allowed;",),
    "allocated": (
        _SIZE + r" is a[l1i]{2}[o0]cated by PyTorch",
        _SIZE + r" already a[l1i]{2}[o0]cated",
    ),
    "private_pools": (_SIZE + r" a[l1i]{2}[o0]cated in private pools",),
    "unallocated": (_SIZE + r" is reserved by PyTorch but una[l1i]{2}[o0]cated",),
    "reserved": (_SIZE + r" reserved in total",),
}
_PATTERNS = {name: [_pattern(words) for words in fields] for name, fields in _FIELDS.items()}
_OTHERS = _pattern(r"(?<!this\s)process (\d{1,9}) has " + _SIZE + r" memory in use")
_OUT_OF_MEMORY = re.compile(
    r"out of memory|[Tt]ried to allocate|can't allocate memory|STATUS_ALLOC_FAILED|bad_alloc"
)
_IN_WORDS = _pattern(
    r"(?:alloc(?!\w*\(\))(?:at\w{0,5})?|requested|request (?:of|for)|asks? for|asked for|"
    r"wants? to allocate|"
    r"buffer of|block of|single (?:allocation|buffer|call)|"
    r"申请(?:了|量)?(?:也?是|为)?|分配|要(?:分配|申请))(?:(?!\. )[^\d\n]){0,30}?" + _LOOSE_SIZE
)
MESSAGE_LENGTH = 900
"""Characters within which the numbers of one message stand."""
MOST_MESSAGES = 32


class Amount(NamedTuple):
    """A number of bytes as a message prints it: anything from ``low`` to ``high`` rounds to it."""

    low: int
    high: int

    @property
    def exact(self) -> bool:
        """Whether the message gave the bytes themselves."""
        return self.low == self.high

    @property
    def middle(self) -> int:
        """The bytes that the printed number itself stands for."""
        return (self.low + self.high) // 2

    def __str__(self) -> str:
        """As a message would print it: ``12.20 GiB``."""
        if self.exact:
            return f"{self.low} bytes"
        unit = next((u for u in ("TiB", "GiB", "MiB") if self.middle >= _UNITS[u.lower()]), "KiB")
        return f"{self.middle / _UNITS[unit.lower()]:.2f} {unit}"


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
    position: int = 0
    """Where in the text the message begins."""

    @property
    def idle(self) -> Amount | None:
        """Memory that the allocator holds and no tensor uses, stated or as a difference."""
        if self.unallocated is not None:
            return self.unallocated
        if self.reserved is None or self.allocated is None:
            return None
        low, high = self.reserved.low - self.allocated.high, self.reserved.high - self.allocated.low
        return Amount(max(0, low), high) if self.reserved.middle >= self.allocated.middle else None

    @property
    def held_by_others(self) -> int | None:
        """Bytes of the card that neither this process nor the free memory accounts for; None if
        the message cannot tell."""
        if self.capacity and self.free and self.this_process:
            mine = self.this_process.middle + self.free.middle
            return max(0, self.capacity.middle - mine)
        if self.capacity and self.free and self.reserved and not self.other_processes:
            # torch 2.0 names no process: the rest of the card is theirs and this one's context.
            mine = self.reserved.middle + self.free.middle + CUDA_CONTEXT
            return max(0, self.capacity.middle - mine)
        if not (self.other_processes and self.allocated and self.idle):
            return None
        own = self.allocated.middle + self.idle.middle
        sizes = [size.middle for _, size in self.other_processes]
        foreign = [size for size in sizes if not own - GIB <= size <= own + 2 * GIB]
        # Inside a container this very process is listed under an id that it does not know.
        return sum(foreign) if len(foreign) < len(sizes) or len(sizes) > 1 else 0

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
    return next(messages(text), Message())


def messages(text: str) -> Iterator[Message]:
    """Every message of a text, at most `MOST_MESSAGES`."""
    start = _TRIED.search(text)
    for _ in range(MOST_MESSAGES):
        if start is None:
            return
        following = _TRIED.search(text, start.end())
        end = min(start.start() + MESSAGE_LENGTH, following.start() if following else len(text))
        yield _message(start, text[start.start() : end])
        start = following


def sizes_in_words(text: str) -> Iterator[Message]:
    """Allocations that a person tells of, without an allocator's message: at most eight."""
    for found, _ in zip(_IN_WORDS.finditer(text), range(8)):  # noqa: B905 (Python 3.9)
        yield Message(requested=amount(found[1], found[2]), position=found.start())


def _message(tried: re.Match[str], one: str) -> Message:
    gpu = _GPU.search(one)
    fields = {name: _first(patterns, one) for name, patterns in _PATTERNS.items()}
    others = tuple((int(match[1]), amount(match[2], match[3])) for match in _OTHERS.finditer(one))
    return Message(
        requested=amount(tried[1], tried[2]),
        gpu=int(gpu[1]) if gpu else None,
        other_processes=others,
        position=tried.start(),
        **fields,
    )


def amount(number: str, unit: str) -> Amount:
    """``("12.20", "GiB")`` as the interval of bytes that is printed so."""
    scale = _UNITS[unit.lower()]
    digits = number.translate(_MISREAD)
    decimals = len(digits.partition(".")[2])
    if scale == 1 and not decimals:
        return Amount(int(digits), int(digits))
    half = scale / (2 * 10**decimals)
    middle = float(digits) * scale
    return Amount(round(middle - half), round(middle + half))


def _first(patterns: list[re.Pattern[str]], text: str) -> Amount | None:
    for pattern in patterns:
        match = pattern.search(text)
        if match:
            return amount(match[1], match[2])
    return None
