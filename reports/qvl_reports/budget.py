"""A document under a limit of bytes: whole blocks are left out, the least important first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from qvl_reports.wording import count


class Block(NamedTuple):
    """A piece that is told whole or not at all."""

    rank: int
    """0 for what must never be missing."""
    text: str
    noun: str = "part"
    """What is missing when it is left out: "evidence table"."""
    follows: Block | None = None
    """The block without which this one makes no sense."""


class Section(NamedTuple):
    """A heading, told when at least one of its blocks is."""

    heading: str
    blocks: tuple[Block, ...]


def fit(sections: Sequence[Section], limit: int, note: str) -> str:
    """The document in at most ``limit`` bytes of UTF-8; ``note`` says what was cut ({cut})."""
    blocks = [block for section in sections for block in section.blocks]
    reserve = sum(_cost(section.heading) for section in sections)
    everything = reserve + sum(_cost(block.text) for block in blocks)
    if everything <= limit:
        return _join(sections, set(map(id, blocks)), "")
    reserve += _cost(note) + 60 * len({block.noun for block in blocks})
    kept: set[int] = set()
    cut: Counter[str] = Counter()
    for block in sorted(blocks, key=lambda block: block.rank):
        cost = _cost(block.text)
        orphan = block.follows is not None and id(block.follows) not in kept
        if orphan or reserve + cost > limit:
            cut[block.noun] += 1
        else:
            kept.add(id(block))
            reserve += cost
    missing = ", ".join(count(number, noun) for noun, number in cut.items())
    return _join(sections, kept, note.format(cut=missing))


def _join(sections: Sequence[Section], kept: set[int], note: str) -> str:
    parts = []
    for section in sections:
        told = [block.text for block in section.blocks if id(block) in kept]
        if told:
            parts += [section.heading, *told]
    return "\n\n".join(part for part in (*parts, note) if part) + "\n"


def _cost(text: str) -> int:
    """Bytes with the blank line after it."""
    return len(text.encode()) + 2 if text else 0
