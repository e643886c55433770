"""A pasted log, made readable: bounded in size, freed of terminal noise, searchable in three views.

Views of the same text:

* `Page.lines`: cleaned lines with their original numbers, for evidence;
* `Page.low`: the lines joined and lower-cased, for regular expressions;
* the *folded* view: only letters, digits and CJK signs, with look-alike characters merged, for literal phrases.
  Quotes, wrapped lines, lost underscores, full-width punctuation and the usual misreadings of a screenshot
  (``0``/``O``, ``1``/``l``/``I``, ``rn``/``m``) make no difference there.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

HEAD_CHARACTERS = 48_000
TAIL_CHARACTERS = 128_000
MIDDLE_CHARACTERS = 64_000
LINE_CHARACTERS = 3_000
PHRASE_GAP = 400
REPEATS_KEPT = 3

_ANSI = re.compile(r"\x1b\[[0-?]{0,30}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127, 0xFEFF, 0x200B, 0x200C, 0x200D], " ")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "´": "'", "′": "'", "×": "x", "✕": "x", "–": "-"})
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_RANK = re.compile(
    r"^\s{0,8}(?:\[(?:default|node|host|rank|worker|local_rank|gpu)?[ _]?\d{1,4}\][: ]{0,2}(?:\[rank\d{1,4}\][: ]{0,2})?"
    r"|\[rank\s?\d{1,4}\][: ]{0,2}|rank\s?\d{1,4}\s?[:|]\s?|\([a-z]\w{0,40}(?: [\w.=-]{1,30}){0,3} pid=\d{1,9}(?:, ip=[\d.]{7,15})?\)\s?"
    r"|\d{1,3}: (?=\[rank|Traceback|  File))",
    re.IGNORECASE,
)
_PROGRESS = re.compile(r"\d{1,3}%\|[^|]{0,400}\|\s{0,4}\d")
_TROUBLE = re.compile(
    r"error|exception|traceback|warn|out of memory|out_of_memory|no kernel|undefined symbol|allocat|not support"
    r"|mismatch|incompatib|failed|missing|deprecat|unrecogni|assert|qwen|报错|错误|显存|失败",
    re.IGNORECASE,
)
_SQUEEZE = re.compile(r"[^a-z0-9㐀-鿿]+")
_LOOKALIKE = str.maketrans({"0": "o", "1": "l", "i": "l"})


def fold(text: str) -> str:
    """Letters, digits and CJK signs of `text`, lower-cased, look-alikes merged."""
    return _SQUEEZE.sub("", text.lower().replace("rn", "m").replace("vv", "w")).translate(_LOOKALIKE)


def _clean_line(line: str) -> str:
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    if "\r" in line:
        line = line.rstrip("\r").rsplit("\r", 1)[-1]
    for _ in range(2):
        line = _RANK.sub("", line, count=1)
    if len(line) > LINE_CHARACTERS:
        half = LINE_CHARACTERS // 2
        line = f"{line[:half]} … {line[-half:]}"
    return line.rstrip()


def _bounded(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(number, line): all of a small text; of a large one its head, its tail and the lines between that speak of trouble."""
    sizes = [min(len(line), LINE_CHARACTERS) + 1 for line in lines]
    if sum(sizes) <= HEAD_CHARACTERS + MIDDLE_CHARACTERS + TAIL_CHARACTERS:
        yield from enumerate(lines, 1)
        return
    head, room = 0, HEAD_CHARACTERS
    while head < len(lines) and room >= sizes[head]:
        room -= sizes[head]
        head += 1
    tail, room = len(lines), TAIL_CHARACTERS
    while tail > head and room >= sizes[tail - 1]:
        tail -= 1
        room -= sizes[tail]
    yield from enumerate(lines[:head], 1)
    room = MIDDLE_CHARACTERS
    follow = 0
    seen: dict[str, int] = {}
    for index in range(head, tail):
        line = lines[index][:LINE_CHARACTERS]
        if _TROUBLE.search(line):
            key = line.strip().translate(_DIGITS)[:200]
            seen[key] = seen.get(key, 0) + 1
            follow = 3 if seen[key] <= REPEATS_KEPT else 0
        if follow > 0:
            follow -= 1
            room -= len(line) + 1
            if room < 0:
                break
            yield index + 1, line
    for index in range(tail, len(lines)):
        yield index + 1, lines[index]


_DIGITS = str.maketrans("0123456789", "0000000000")


class Page:
    """A cleaned text with its search views. Building it costs time linear in the text."""

    def __init__(self, text: str) -> None:
        if "&" in text[:200_000] and re.search(r"&(?:lt|gt|amp|quot|#39|#x27|nbsp);", text[:200_000]):
            text = html.unescape(text)
        self.lines: list[tuple[int, str]] = []
        for number, raw in _bounded(text.split("\n")):
            line = raw if raw.isascii() else unicodedata.normalize("NFKC", raw[: 4 * LINE_CHARACTERS])
            line = _clean_line(line.translate(_CONTROL).translate(_QUOTES) if not line.isprintable() or not line.isascii() else line)
            if line.strip() and not _PROGRESS.search(line[:600]):
                self.lines.append((number, line))
        self._starts: list[int] = []
        self._folded_starts: list[int] = []
        low: list[str] = []
        folded: list[str] = []
        at = folded_at = 0
        for _, line in self.lines:
            lowered = line.translate(_LOWER)
            self._starts.append(at)
            low.append(lowered)
            at += len(lowered) + 1
            squeezed = fold(line)
            self._folded_starts.append(folded_at)
            folded.append(squeezed)
            folded_at += len(squeezed)
        self.low = "\n".join(low)
        self.folded = "".join(folded)
        self.text = "\n".join(line for _, line in self.lines)

    def line_at(self, position: int) -> int:
        """Index into `lines` of the character at `position` of `low`."""
        return max(0, bisect_right(self._starts, position) - 1)

    def says(self, phrase: str) -> int | None:
        """Index of the last line where `phrase` ends, or None.

        `phrase` is folded like the text; `` … `` in it stands for up to `PHRASE_GAP` folded characters.
        """
        parts = [fold(part) for part in phrase.split("…")]
        position = self.folded.rfind(parts[0])
        tried = 0
        while position >= 0 and tried < 8:
            end = position + len(parts[0])
            for part in parts[1:]:
                found = self.folded.find(part, end, end + PHRASE_GAP + len(part))
                if found < 0:
                    break
                end = found + len(part)
            else:
                return max(0, bisect_right(self._folded_starts, max(0, end - 1)) - 1)
            position = self.folded.rfind(parts[0], 0, position)
            tried += 1
        return None

    def search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """First match of a lower-case pattern in `low`."""
        return pattern.search(self.low)

    def evidence(self, index: int) -> str:
        """The line as shown to a person: ``line 12: …``."""
        number, line = self.lines[index]
        shown = line.strip()
        if len(shown) > 300:
            shown = shown[:297] + "…"
        return f"line {number}: {shown}"
