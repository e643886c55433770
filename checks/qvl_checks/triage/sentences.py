"""Sentences: which statements of a text say what, so that two words count as one statement only
where they stand together.
"""

from __future__ import annotations

import re
from bisect import bisect_right

#: A full stop ends a sentence only before a space: ``4.53.0`` and ``torch.float16`` go on.
#: A cell of a table is a statement of its own.
_ENDS = re.compile(r"[.!?](?=\s|$)|[。！？；\n]| \| ")
#: A concept is looked for so many times: further mentions say nothing new.
MOST_MENTIONS = 200


class Sentences:
    """The sentences of a text, by their places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in _ENDS.finditer(text))]

    def at(self, position: int) -> int:
        """Index of the sentence at a place of the text."""
        return bisect_right(self._starts, position) - 1

    def start(self, index: int) -> int:
        """Where a sentence begins."""
        return self._starts[index]

    def text(self, index: int) -> str:
        """What a sentence says."""
        ends = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._text)
        return self._text[self._starts[index] : ends]

    def saying(self, pattern: re.Pattern[str]) -> frozenset[int]:
        """Indices of the sentences in which a match of `pattern` begins."""
        found: set[int] = set()
        for count, match in enumerate(pattern.finditer(self._text)):
            if count >= MOST_MENTIONS:
                break
            found.add(self.at(match.start()))
        return frozenset(found)
