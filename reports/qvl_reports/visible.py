"""Untrusted text made harmless to look at: every character that hides or disguises is spelled out.

Package metadata, tracebacks and paths may hold terminal escapes, right-to-left overrides, lone
surrogates or zero-width characters. All renderers pass all text through here before they escape
it for their own format.
"""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, without tab and line feed
    "\xad\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, directional marks, zero-width space
    "\u2028-\u202e\u2060-\u206f"  # line separators, directional embeddings and isolates
    "\ud800-\udfff"  # lone surrogates
    "\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"  # non-characters, byte-order mark
    "\U000e0000-\U000e0fff"  # tags
    "]"
)


def visible(text: str) -> str:
    """The same text with hidden characters as escapes such as ``\\x1b`` or ``\\u202e``.

    Tabs and line feeds stay; CR LF becomes LF.
    """
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    return HIDDEN.sub(_spell, text)


def one_line(text: str) -> str:
    """Visible text without line breaks, runs of white space reduced to one space."""
    return " ".join(visible(text).split())


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, and how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
