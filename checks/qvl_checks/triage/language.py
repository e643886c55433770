"""In which language a text is written, and so the answer to it."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "zh"]
Wanted = Literal["auto", "en", "zh"]

#: What a person wrote stands at one of the ends of a log.
END_CHARACTERS = 6_000
#: This share of Chinese signs among the signs and words of a text makes it Chinese: people write
#: little around a long English log.
CHINESE_SHARE = 0.2

_HAN = re.compile(r"[㐀-鿿]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_LOG_LINE = re.compile(
    r"^\s*(?:File \"|Traceback|at |\S+(?:Error|Warning|Exception)\b|\[?\w*rank|\d{4}-\d\d-\d\d|"
    r"\s{4,}\S)",
)


def language_of(text: str) -> Language:
    """``zh`` for a text that is mainly Chinese outside its log lines, else ``en``."""
    if len(text) > 2 * END_CHARACTERS:
        text = f"{text[:END_CHARACTERS]}\n{text[-END_CHARACTERS:]}"
    told = "\n".join(line for line in text.split("\n") if not _LOG_LINE.match(line))
    chinese = len(_HAN.findall(told))
    return "zh" if chinese and chinese >= CHINESE_SHARE * (chinese + _words(told)) else "en"


def _words(text: str) -> int:
    return len(_WORD.findall(text))
