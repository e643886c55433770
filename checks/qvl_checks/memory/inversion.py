"""From the size of one buffer back to the patches or tokens that made it.

Attention that is not fused writes ``batch x heads x S x S`` scores; the language head writes
``batch x L x vocabulary`` logits. The size of the buffer therefore gives S or L, one solution for
each width that a path can use: 2 bytes (bf16, fp16) or 4 (fp32 weights, the fp32 softmax of eager
attention, the math backend of SDPA). A message prints its size with two decimals, so a solution is
a range of counts; a known workload picks the one that is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isqrt, sqrt
from typing import Any, Literal

import msgspec

from qvl_checks.memory.oom_message import (
    ALLOCATOR_GRAIN,
    SHARED_SEGMENT,
    Amount,
    parse,
)

Kind = Literal["vision", "text", "logits"]
WIDTHS = (4, 2)
MERGED_PATCHES = 4
"""Every image has a multiple of 2 x 2 patches."""
FEWEST = {"vision": 16, "text": 64, "logits": 16}
"""Counts below these explain a buffer only by chance."""
MOST = 2_000_000
SCORE_BYTES = {"bfloat16": 10, "float16": 8, "float32": 8}
"""Bytes that eager attention holds for each score at its peak: the scores in the compute dtype
and two fp32 copies in the softmax (bf16), one (fp16, fused; fp32 needs no copy)."""


class Dimensions(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of an architecture that decide the sizes of its big buffers."""

    vision_heads: int | None = None
    text_heads: int | None = None
    vocabulary: int | None = None
    patch: int | None = None
    """Side of a patch in pixels."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Dimensions:
        """From the content of a ``config.json``, flat or nested; what is missing stays None."""
        vision = _mapping(config.get("vision_config"))
        text = {**config, **_mapping(config.get("text_config"))}
        return cls(
            vision_heads=_positive(vision.get("num_heads")),
            text_heads=_positive(text.get("num_attention_heads")),
            vocabulary=_positive(text.get("vocab_size")),
            patch=_positive(vision.get("patch_size")),
        )


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to read a buffer, as the elements of one tensor."""

    kind: Kind
    width: int
    """Bytes per element."""
    factor: int
    """Heads, or the vocabulary."""
    batch: int
    low: int
    high: int
    """The counts (patches, tokens) that the size allows, both ends included."""
    step: int
    """Counts are multiples of this."""

    @property
    def unique(self) -> int | None:
        """The count, when the size allows only one."""
        return self.low if self.low == self.high else None

    def allows(self, count: int) -> bool:
        """Whether this count gives the size."""
        return self.low <= count <= self.high and count % self.step == 0

    def nearest(self, size: int) -> int:
        """The count that the size allows whose buffer comes nearest to ``size`` bytes."""
        elements = size / (self.batch * self.factor * self.width)
        count = elements if self.kind == "logits" else sqrt(elements)
        return min(max(round(count / self.step) * self.step, self.low), self.high)

    def size(self, count: int) -> int:
        """Bytes of the buffer for ``count`` patches or tokens."""
        elements = count if self.kind == "logits" else count * count
        return self.batch * self.factor * elements * self.width

    def formula(self, count: int) -> str:
        """``16 heads × 14308 × 14308 patches × 4 B``."""
        batch = f"{self.batch} × " if self.batch > 1 else ""
        if self.kind == "logits":
            return f"{batch}{count} tokens × {self.factor} words × {self.width} B"
        unit = "patches" if self.kind == "vision" else "tokens"
        return f"{batch}{self.factor} heads × {count} × {count} {unit} × {self.width} B"


def invert(
    size: int | str | Amount, dimensions: Dimensions, *, batch: int = 1
) -> tuple[Candidate, ...]:
    """Every reading of a buffer's size: bytes, a whole message, or an amount from one.

    A message's size is that of the allocator's request, up to 2 MiB above the tensor's.
    """
    if isinstance(size, str):
        requested = parse(size).requested
        if requested is None:
            return ()
        size = requested
    amount = Amount(size, size) if isinstance(size, int) else size
    found = []
    for kind, factor in (
        ("vision", dimensions.vision_heads),
        ("text", dimensions.text_heads),
        ("logits", dimensions.vocabulary),
    ):
        if factor is not None:
            for width in WIDTHS:
                candidate = _solve(kind, factor, width, batch, amount)  # type: ignore[arg-type]
                if candidate is not None:
                    found.append(candidate)
    return tuple(found)


def consistent(
    candidates: Iterable[Candidate],
    *,
    patches: Iterable[int] = (),
    tokens: int | None = None,
    batch: int = 1,
) -> tuple[tuple[Candidate, int], ...]:
    """The readings that a known workload confirms, with its count.

    ``patches`` is the number per image; releases up to 4.53 attend over all images at once, so
    their sum counts too. ``tokens`` is the length of one prompt.
    """
    images = tuple(patches)
    towers = {*images, sum(images), batch * sum(images)}
    counts: dict[Kind, Iterable[int]] = {
        "vision": sorted(towers),
        "text": () if tokens is None else (tokens,),
        "logits": () if tokens is None else (tokens,),
    }
    return tuple(
        (candidate, count)
        for candidate in candidates
        for count in counts[candidate.kind]
        if count and candidate.allows(count)
    )


def most_patches(room: int, heads: int, dtype: str) -> int:
    """Patches of one image whose eager scores fit into ``room`` bytes (a multiple of 4).

    Counts the scores alone, `SCORE_BYTES` each; what else the tower holds must be taken off first.
    """
    largest = isqrt(max(room, 0) // (SCORE_BYTES[dtype] * heads))
    return largest // MERGED_PATCHES * MERGED_PATCHES


def _solve(kind: Kind, factor: int, width: int, batch: int, amount: Amount) -> Candidate | None:
    # Vision scores have no batch dimension: all images of a batch are one sequence of patches.
    batch = 1 if kind == "vision" else batch
    unit = batch * factor * width
    low, high = _smallest(amount), amount.high
    if high < unit:
        return None
    if kind == "logits":
        first, last = -(-low // unit), high // unit
    else:
        first, last = isqrt(-(-low // unit) - 1) + 1, isqrt(high // unit)
    step = MERGED_PATCHES if kind == "vision" else 1
    first, last = -(-first // step) * step, last // step * step
    if first > last or last > MOST or first < FEWEST[kind]:
        return None
    return Candidate(
        kind=kind, width=width, factor=factor, batch=batch, low=first, high=last, step=step
    )


def _smallest(amount: Amount) -> int:
    """The least tensor whose request is printed so; exact bytes are taken at their word."""
    if amount.exact:
        return amount.low
    if amount.low <= SHARED_SEGMENT:
        return 1
    return amount.low - ALLOCATOR_GRAIN + 1


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
