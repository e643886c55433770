"""Out-of-memory messages as numbers: what was asked for, what the card had, who held it.

Understands the messages of torch 1.x to 2.13 (CUDA and CPU allocators) and sizes quoted in prose.
"""

from __future__ import annotations

import re
from functools import cached_property

import msgspec

from .page import Page

UNITS = {
    "b": 1,
    "byte": 1,
    "bytes": 1,
    "k": 2**10,
    "kb": 2**10,
    "kib": 2**10,
    "m": 2**20,
    "mb": 2**20,
    "mib": 2**20,
    "g": 2**30,
    "gb": 2**30,
    "gib": 2**30,
    "tib": 2**40,
    "tb": 2**40,
}
GIB = 2**30

# Screenshots turn digits into letters: O for 0, l or I for 1.
_N = r"([\doli]{1,6}(?:[.,][\doli]{1,3})?)\s{0,2}([kmgt]i?b|[gm])\b"
_EXACT = re.compile(r"tried to allocate\s{1,3}(\d{4,16})\s{1,3}bytes")
_TRIED = re.compile(r"tried to\s{1,3}all[o0]cate\s{1,3}" + _N)
_PROSE = re.compile(
    (
        r"(?:allocat\w{0,5}|requested|request (?:of|"
        r"for)|asks? for|asked for|wants? to "
        r"allocate|buffer of|"
        r"申请(?:了|量)?(?:也?是|为)?|分配|要(?:分配|申请))[^\d\n]{0,30}?"
    )
    + _N
    + r"|(?:a )?single (?:allocation|buffer|call)[^\d\n]{0,20}"
    + _N
)
_CAPACITY = re.compile(r"total capac\w{1,6} of\s{1,3}" + _N)
_FREE = re.compile(r"of which\s{1,3}" + _N + r"\s{1,3}is free")
_THIS = re.compile(r"this process has\s{1,3}" + _N + r"\s{1,3}memory in use")
_OTHER = re.compile(r"(?<!this )process (\d{1,9}) has\s{1,3}" + _N + r"\s{1,3}memory in use")
_OURS = re.compile(_N + r"\s{1,3}is allocated by pytorch")
_IDLE = re.compile(_N + r"\s{1,3}is reserved by pytorch but unallocated")
_OLD_TOTAL = re.compile(_N + r"\s{1,3}total capacity")
_OLD_OURS = re.compile(_N + r"\s{1,3}already allocated")
_OLD_FREE = re.compile(_N + r"\s{1,3}free")
_OLD_RESERVED = re.compile(_N + r"\s{1,3}reserved in total")
_GPU = re.compile(r"\bgpu (\d{1,2})(?: has|;|,)")
_DIGITS = str.maketrans({"o": "0", "l": "1", "i": "1", ",": "."})


class Bytes(msgspec.Struct, frozen=True):
    """A number of bytes as a message gives it: `value` ± `slack` (0 when exact)."""

    value: int
    slack: int
    shown: str

    def near(self, exact: float) -> bool:
        """Can the message mean `exact` bytes?"""
        return abs(self.value - exact) <= self.slack + 1


def _bytes(number: str, unit: str) -> Bytes:
    digits = number.translate(_DIGITS)
    scale = UNITS.get(unit, 1)
    decimals = len(digits.partition(".")[2])
    slack = int(scale * 10.0**-decimals / 2 * 1.02)
    value = int(float(digits) * scale) if digits.strip(".") else 0
    return Bytes(value, slack, f"{digits} {unit[0].upper()}{'iB' if len(unit) > 1 else 'B'}")


class OutOfMemory(msgspec.Struct, frozen=True):
    """One out-of-memory message. Sizes that it does not give are None; `line` indexes the page's
    lines.
    """

    line: int
    tried: Bytes
    on_cpu: bool = False
    gpu: int | None = None
    capacity: Bytes | None = None
    free: Bytes | None = None
    this_process: Bytes | None = None
    others: tuple[Bytes, ...] = ()
    allocated: Bytes | None = None
    idle: Bytes | None = None

    @property
    def held_by_others(self) -> int | None:
        """Bytes of the card that neither this process nor the free memory accounts for; None if
        the message cannot tell.
        """
        mine = self.this_process
        if self.capacity and self.free and mine:
            return max(0, self.capacity.value - self.free.value - mine.value)
        if self.others and self.allocated and self.idle:
            own = self.allocated.value + self.idle.value
            foreign = [b.value for b in self.others if not own - GIB <= b.value <= own + 2 * GIB]
            return sum(foreign) if len(foreign) < len(self.others) or len(self.others) > 1 else 0
        return None


class Allocations:
    """All out-of-memory numbers of a page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @cached_property
    def all(self) -> tuple[OutOfMemory, ...]:
        """Messages of the allocators, in order; sizes in prose only when there is none."""
        low = self._page.low
        if (
            "allocat" not in low
            and "申请" not in low
            and "分配" not in low
            and "gib" not in low
            and "gb" not in low
        ):
            return ()
        found: list[OutOfMemory] = []
        for match in _EXACT.finditer(low):
            size = Bytes(int(match.group(1)), 0, f"{match.group(1)} bytes")
            found.append(
                OutOfMemory(
                    self._page.line_at(match.start()),
                    size,
                    on_cpu="cpuallocator" in low[max(0, match.start() - 200) : match.start()],
                )
            )
        for match in _TRIED.finditer(low):
            found.append(self._detailed(match, low[match.start() : match.start() + 900]))
            if len(found) >= 32:
                break
        return tuple(found) or tuple(self._prose(low))

    def _detailed(self, match: re.Match[str], window: str) -> OutOfMemory:
        again = window.find("tried to allocate", 20)
        window = window if again < 0 else window[:again]

        def size(*patterns: re.Pattern[str]) -> Bytes | None:
            for pattern in patterns:
                hit = pattern.search(window)
                if hit:
                    return _bytes(hit.group(1), hit.group(2))
            return None

        ours, idle, reserved = size(_OURS, _OLD_OURS), size(_IDLE), size(_OLD_RESERVED)
        if idle is None and ours and reserved and reserved.value >= ours.value:
            idle = Bytes(
                reserved.value - ours.value,
                reserved.slack + ours.slack,
                f"{(reserved.value - ours.value) / GIB:.2f} GiB",
            )
        gpu = _GPU.search(window)
        return OutOfMemory(
            line=self._page.line_at(match.start()),
            tried=_bytes(match.group(1), match.group(2)),
            gpu=int(gpu.group(1)) if gpu else None,
            capacity=size(_CAPACITY, _OLD_TOTAL),
            free=size(_FREE, _OLD_FREE),
            this_process=size(_THIS),
            others=tuple(_bytes(m.group(2), m.group(3)) for m in _OTHER.finditer(window)),
            allocated=ours,
            idle=idle,
        )

    def _prose(self, low: str) -> list[OutOfMemory]:
        found = []
        for match in _PROSE.finditer(low[:40_000]):
            number, unit = (
                (match.group(1), match.group(2))
                if match.group(1)
                else (match.group(3), match.group(4))
            )
            if number[0].isdigit() and len(unit) > 1:
                found.append(OutOfMemory(self._page.line_at(match.start()), _bytes(number, unit)))
        return found[:8]
