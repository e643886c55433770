"""A pasted log, made readable: bounded in size, freed of terminal noise, searchable in three views.

Views of the same text:

* `Page.lines`: cleaned lines with their original numbers, for evidence;
* `Page.low`: the lines joined and lower-cased, for regular expressions;
* the *folded* view: only letters, digits and CJK signs, with look-alike characters merged, for
  literal phrases. Quotes, wrapped lines, lost underscores, full-width punctuation and the usual
  misreadings of a screenshot (``0``/``O``, ``1``/``l``/``I``, ``rn``/``m``) make no difference
  there.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from .programs import comment, is_program, without_patches, without_templates
from .traditional import simplified

HEAD_CHARACTERS = 48_000
TAIL_CHARACTERS = 128_000
MIDDLE_CHARACTERS = 64_000
LINE_CHARACTERS = 3_000
PHRASE_GAP = 400
REPEATS_KEPT = 12

_ANSI = re.compile(
    r"\x1b\[[0-?]{0,30}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[@-_]"
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#39|#x27|nbsp);")
_CONTROL = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), 127, 0xFEFF, 0x200B, 0x200C, 0x200D], " "
)
_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "´": "'", "′": "'", "×": "x", "✕": "x", "–": "-"}
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_RANK = re.compile(
    r"^\s{0,8}(?:\[(?:default|node|host|rank|worker|local_rank|gpu)?[ _]?\d{1,"
    r"4}\][: ]{0,2}(?:\[rank\d{1,4}\][: ]{0,2})?"
    r"|\[rank\s?\d{1,4}\][: ]{0,2}|rank\s?\d{1,4}\s?[:|]\s?|\([a-z]\w{0,40}(?: "
    r"[\w.=-]{1,30}){0,3} pid=\d{1,9}(?:, ip=[\d.]{7,15})?\)\s?"
    r"|\d{1,3}: (?=\[rank|Traceback|  File))",
    re.IGNORECASE,
)
#: What a quotation, a log, the journal or docker compose puts before every line.
_QUOTED = re.compile(r"^(?:>\s?){1,4}")
_STAMPED = re.compile(
    r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?\]?"
    r"(?:\s{0,3}[-|]?\s{0,3}\[?(?:debug|info|warn(?:ing)?|error|critical|stderr|stdout)\b\]?)?"
    r"\s{0,3}[-|:]?\s?"
    r"|^[a-z]{3} {1,2}\d{1,2} \d\d:\d\d:\d\d [\w.-]{1,60} [\w.@-]{1,60}(?:\[\d{1,9}\])?: "
    r"|^[a-z][\w.-]{0,40}-\d{1,2} {1,8}\| ?",
    re.IGNORECASE,
)
_PROGRESS = re.compile(r"\d{1,3}%\|[^|]{0,400}\|\s{0,4}\d[^\]\n]{0,80}\]?")
_TROUBLE = (
    "error:",
    "exception:",
    "traceback (most",
    "out of memory",
    "tried to allocate",
    "no kernel image",
    "undefined symbol",
    "not supported",
    "does not support",
    "mismatch",
    "incompatib",
    "not match",
    "missing",
    "deprecated",
    "unrecogni",
    "assert",
    "import name",
    "no module named",
    "has no attribute",
    "unexpected keyword",
    "requires",
    "qwen2",
    "qwen3",
    "flash_attn",
    "flash-attn",
    "attention",
    "max_pixels",
    "报错",
    "错误",
    "显存",
)
_SQUEEZE = re.compile(r"[^a-z0-9㐀-鿿]+")
_LOOKALIKE = str.maketrans({"0": "o", "1": "l", "i": "l"})


class Line(NamedTuple):
    """A cleaned line: its number in the original text, what it says, and how it was before it was
    cleaned of a rank's name and of spaces at its end.
    """

    number: int
    text: str
    width: int
    ends_in_space: bool = False


Lines = list[Line]


def fold(text: str) -> str:
    """Letters, digits and CJK signs of `text`, lower-cased, look-alikes merged."""
    return _SQUEEZE.sub("", text.lower().replace("rn", "m").replace("vv", "w")).translate(
        _LOOKALIKE
    )


def _plain(line: str) -> str:
    """The line without terminal control, with plain quotes and compatibility forms folded (full-
    width punctuation).
    """
    if "\x1b" in line:
        line = _ANSI.sub("", line[: 4 * LINE_CHARACTERS])
    if "&" in line and _ENTITY.search(line, 0, 4 * LINE_CHARACTERS):
        line = html.unescape(line[: 4 * LINE_CHARACTERS])
    if not line.isascii():
        line = unicodedata.normalize("NFKC", line[: 4 * LINE_CHARACTERS].translate(_QUOTES))
    return line if line.isprintable() else line.translate(_CONTROL)


def _clean_line(line: str) -> str:
    if "\r" in line:
        line = line.rstrip("\r").rsplit("\r", 1)[-1]
    line = _STAMPED.sub("", _QUOTED.sub("", line, count=1), count=1)
    for _ in range(2):
        line = _RANK.sub("", line, count=1)
    if len(line) > LINE_CHARACTERS:
        half = LINE_CHARACTERS // 2
        line = f"{line[:half]} … {line[-half:]}"
    if "{" in line:
        line = without_templates(line)
    return line.rstrip()


def _bounded(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of a small text; of a large one its head, its tail and lines between that
    speak of trouble.
    """
    if len(text) <= HEAD_CHARACTERS + MIDDLE_CHARACTERS + TAIL_CHARACTERS:
        yield from enumerate(text.split("\n"), 1)
        return
    head = text.rfind("\n", 0, HEAD_CHARACTERS) + 1 or HEAD_CHARACTERS
    tail = text.find("\n", len(text) - TAIL_CHARACTERS) + 1 or len(text) - TAIL_CHARACTERS
    yield from enumerate(text[:head].rstrip("\n").split("\n"), 1)
    number, at = 1, 0
    for start, end in _troubled(text, head, tail):
        number += text.count("\n", at, start)
        at = start
        yield number, text[start:end]
    number += text.count("\n", at, tail)
    yield from enumerate(text[tail:].split("\n"), number)


def _troubled(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Spans of lines in ``text[start:end]`` that hold a word of trouble (the first few for each
    word), and the next line.
    """
    low = text.lower()
    if len(low) != len(text):
        low = text
    spans: set[tuple[int, int]] = set()
    for word in _TROUBLE:
        position = low.find(word, start, end)
        for _ in range(REPEATS_KEPT):
            if position < 0:
                break
            before = max(start, position - LINE_CHARACTERS)
            first = max(before, low.rfind("\n", before, position) + 1)
            last = low.find("\n", position, position + LINE_CHARACTERS)
            last = min(end, last if last >= 0 else position + LINE_CHARACTERS)
            spans.add((first, last))
            following = low.find("\n", last + 1, min(end, last + LINE_CHARACTERS))
            if following > last:
                spans.add((last + 1, following))
            position = low.find(word, last, end)
    kept: list[tuple[int, int]] = []
    room = MIDDLE_CHARACTERS
    for first, last in sorted(spans):
        room -= last - first
        if room < 0:
            break
        if not kept or first >= kept[-1][1]:
            kept.append((first, last))
    return kept


def _unwrapped(lines: Lines) -> Lines:
    """Lines that a terminal broke at its width, joined again.

    Wrapping is assumed where no line is longer than some width and several lines, among them at
    least a quarter of all that are not short, have exactly that width.
    """
    widest = max((len(line.text) for line in lines), default=0)
    # What several ranks print alike is as wide as itself.
    full = len({line.text for line in lines if len(line.text) == widest})
    if (
        not 40 <= widest <= 240
        or full < 2
        or full * 4 < sum(len(line.text) > widest // 2 for line in lines)
    ):
        return lines
    joined: Lines = []
    open_end = False
    for line in lines:
        if open_end:
            joined[-1] = joined[-1]._replace(text=joined[-1].text + line.text)
        else:
            joined.append(line)
        open_end = len(line.text) == widest and len(joined[-1].text) < LINE_CHARACTERS
    return joined


def read_lines(text: str) -> Lines:
    """The cleaned lines of a text that hold something, with their original numbers."""
    lines: Lines = []
    for number, raw in _bounded(text):
        if not raw:
            continue
        plain = _plain(raw)
        line = _clean_line(plain)
        bar = _PROGRESS.search(line[:600])
        if bar:
            # What is printed while a bar stands in the line goes on behind it.
            line = line[bar.end() :]
        if line.strip():
            plain = plain.rstrip("\r")
            lines.append(Line(number, line, len(plain), plain.endswith(" ")))
    texts = without_patches([line.text for line in lines])
    if is_program(texts):
        texts = [comment(text) for text in texts]
    return [line._replace(text=text) for line, text in zip(lines, texts, strict=True)]


class Page:
    """A cleaned text with its search views. Building it costs time linear in the text."""

    def __init__(self, text: str) -> None:
        self._index(_unwrapped(read_lines(text)))

    @classmethod
    def of(cls, lines: Lines) -> Page:
        """A page of lines that are clean already."""
        page = cls.__new__(cls)
        page._index(lines)
        return page

    def _index(self, lines: Lines) -> None:
        self.lines = lines
        self._starts: list[int] = []
        self._folded_starts: list[int] = []
        low: list[str] = []
        folded: list[str] = []
        at = folded_at = 0
        for line in (line.text for line in self.lines):
            lowered = line.translate(_LOWER)
            if not line.isascii():
                lowered = simplified(lowered)
            self._starts.append(at)
            low.append(lowered)
            at += len(lowered) + 1
            squeezed = fold(line)
            self._folded_starts.append(folded_at)
            folded.append(squeezed)
            folded_at += len(squeezed)
        self.low = "\n".join(low)
        self.folded = "".join(folded)
        self.text = "\n".join(line.text for line in self.lines)

    def line_at(self, position: int) -> int:
        """Index into `lines` of the character at `position` of `low`."""
        return max(0, bisect_right(self._starts, position) - 1)

    def says(self, phrase: str) -> int | None:
        """Index of the last line where `phrase` ends, or None.

        `phrase` is folded like the text; `` … `` in it stands for up to `PHRASE_GAP` folded
        characters.
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
        line = self.lines[index]
        shown = line.text.strip()
        if len(shown) > 300:
            shown = shown[:297] + "…"
        return f"line {line.number}: {shown}"
