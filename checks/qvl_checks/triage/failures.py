"""The allocations that failed, as a page tells of them."""

from __future__ import annotations

from typing import NamedTuple

from qvl_checks.memory.oom_message import Amount, Message, messages, sizes_in_words

from .page import Page

_OF_ALLOCATIONS = ("allocat", "all0cat", "申请", "分配", "gib", "gb")
#: Prose is short: sizes told of are looked for in this much of the beginning.
WORDS_CHARACTERS = 40_000


class Failure(NamedTuple):
    """What was asked for, on which line of the page, and all that the message says."""

    requested: Amount
    line: int
    message: Message


def failures(page: Page) -> tuple[Failure, ...]:
    """Messages of the allocators, in order; what a person tells of where there is none."""
    if not any(word in page.low for word in _OF_ALLOCATIONS):
        return ()
    found = tuple(messages(page.low)) or tuple(sizes_in_words(page.low[:WORDS_CHARACTERS]))
    return tuple(
        Failure(message.requested, page.line_at(message.position), message)
        for message in found
        if message.requested is not None
    )
