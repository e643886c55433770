"""A second reading of a short text: lines that were broken joined, misread words put right.

What a terminal broke at its width, or a screenshot's recognition misread, no pattern can expect
everywhere. So where the text as it stands says little, it is read once more in this form. Only
words that the rules themselves know are put right, so that nothing is read into a text that does
not hold almost those letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .page import LINE_CHARACTERS, Line, Lines, fold

#: Longer texts are logs whose lines repeat; they are read once.
MOST_CHARACTERS = 60_000
#: Widths that terminals, mails and issue forms break at.
NARROWEST, WIDEST = 40, 240
SHORTEST_WORD = 6

_WORD = re.compile(r"[A-Za-z_|][A-Za-z0-9_|]{5,80}")
_PAIR = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z0-9_]{2,40}) ([A-Za-z0-9_]{2,40})")
#: How a line begins that no sentence goes on with.
_STARTS = re.compile(r"[#*>|+-]|Traceback|File \"|\w{3,40}(?:Error|Warning|Exception)\b")


def readings(lines: Lines) -> Iterator[Lines]:
    """The lines joined as if a terminal had broken them at its width, and as if an editor had
    broken them between words; as they are, where no line is long enough for either.
    """
    widest = max((line.width for line in lines), default=0)
    if not NARROWEST <= widest <= WIDEST:
        yield lines
        return
    for glue in (_cut_at_width, _broken_between_words):
        joined: Lines = []
        last: Line | None = None
        for line in lines:
            between = None if last is None else glue(last, line, widest)
            if between is None or len(joined[-1].text) > LINE_CHARACTERS:
                joined.append(line)
            else:
                joined[-1] = joined[-1]._replace(text=joined[-1].text + between + line.text)
            last = line
        yield joined


def _cut_at_width(line: Line, following: Line, widest: int) -> str | None:
    """What stood between two lines if `line` was cut at the width; None: it ends before."""
    if line.width < widest - 1:
        return None
    # The space at which a line was cut was lost, in the terminal or in cleaning.
    return " " if line.width < widest or line.ends_in_space else ""


def _broken_between_words(line: Line, following: Line, widest: int) -> str | None:
    """A space, if the first word of `following` had no room any more in `line`."""
    word = following.text.split(" ", 1)[0]
    full = len(line.text) + 1 + len(word) > widest and len(line.text) >= widest // 3
    return " " if full and word and not _STARTS.match(following.text) else None


class Vocabulary:
    """Words that are known, found again in spite of look-alike letters and lost underscores."""

    def __init__(self, words: Iterable[str]) -> None:
        self._known: set[str] = set()
        self._by_fold: dict[str, list[str]] = {}
        for word in sorted(set(words)):
            if len(word) >= SHORTEST_WORD:
                self._known.add(word.lower())
                self._by_fold.setdefault(fold(word), []).append(word)

    def put_right(self, line: Line) -> Line:
        """The line with its misread words as they are known."""
        text = _PAIR.sub(self._underscored, line.text)
        return line._replace(text=_WORD.sub(self._word, text))

    def _word(self, match: re.Match[str]) -> str:
        word = match.group()
        if word.strip("_").lower() in self._known or word.lower() in self._known:
            return word
        known = self._by_fold.get(fold(word.replace("|", "l")), ())
        return next((other for other in known if len(other) == len(word)), word)

    def _underscored(self, match: re.Match[str]) -> str:
        known = self._by_fold.get(fold(match.group(1) + match.group(2)), ())
        whole = match.group()
        return next((o for o in known if "_" in o and len(o) == len(whole)), whole)
