"""Untrusted text as GitHub Markdown: the only place of the Markdown report that escapes."""

from __future__ import annotations

import re

from qvl_reports.visible import one_line, visible

NO_BREAK = "&#8203;"
"""A zero-width space: keeps ``@name`` and ``#1`` from becoming mentions and references."""

SPECIAL = re.compile(r"[\\`*~\[\]<>|&$]")
UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
REFERENCE = re.compile(r"[@#](?=\w)|\bGH-(?=\d)", re.IGNORECASE)
START = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=#:]))")
URL = re.compile(r"(?:https?://|www\.)[^\s`<>|]*[^\s`<>|.,;:!?)\]'\"]", re.IGNORECASE)


def inline(text: str) -> str:
    """Text within one line: no markup, no mention, no reference, no line break, no list.

    Addresses become code, so that pasting a report does not leave a trace in the threads named.
    """
    text = one_line(text)
    parts = []
    done = 0
    for match in URL.finditer(text):
        parts += [_words(text[done : match.start()]), code(match[0])]
        done = match.end()
    return START.sub(r"\1\\", "".join((*parts, _words(text[done:]))), count=1)


def prose(text: str) -> str:
    """Paragraphs: blank lines separate them, other line breaks stay line breaks."""
    paragraphs = re.split(r"\n\s*\n", visible(text).strip())
    return "\n\n".join(
        "<br>\n".join(inline(line) for line in paragraph.split("\n") if line.strip())
        for paragraph in paragraphs
        if paragraph.strip()
    )


def code(text: str) -> str:
    """A code span that survives backticks and table cells."""
    text = one_line(text)
    if not text:
        return ""
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks in it."""
    text = visible(text)
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def details(summary: str, body: str) -> str:
    """A closed section; ``body`` is Markdown, ``summary`` is text."""
    return f"<details><summary>{summary_text(summary)}</summary>\n\n{body}\n\n</details>"


def summary_text(text: str) -> str:
    """Text inside an HTML tag, where Markdown is not read."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return REFERENCE.sub(lambda match: match[0] + NO_BREAK, text)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; all cells are text."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    cells = (
        (row if place == 1 else tuple(inline(cell) for cell in row))
        for place, row in enumerate(lines)
    )
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def _words(text: str) -> str:
    text = SPECIAL.sub(lambda match: "<span>$</span>" if match[0] == "$" else "\\" + match[0], text)
    text = UNDERSCORE.sub(r"\\_", text)
    return REFERENCE.sub(lambda match: match[0] + NO_BREAK, text)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
