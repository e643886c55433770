"""What a triage says, in Chinese: commands, code and numbers stay as they are.

The tables beside this module are the translations: for each cause its explanation, one sentence for
each of its fixes (the note of a command, the text of an advice) and its next steps, in the order of
`ADVICE`; in ``common.toml`` what several share, named by ``@`` and its key; in ``notes.toml`` what
is computed, as patterns of the English sentence with the Chinese one.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from ..advice.entry import Advice
from ..model import Fix
from ..tables import tables

_GROUP = re.compile(r"(@?)\{(\d)\}")
_SHARED = re.compile(r"@([a-z_]+)")
_NOT_CAUSES = ("common", "notes", "labels")


class Translation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Chinese of one piece of advice."""

    explanation: str
    fixes: tuple[str, ...]
    next_steps: tuple[str, ...] = ()


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`says` matches the English sentence; its groups are filled into `chinese` as ``{1}``…"""

    says: str
    chinese: str


@cache
def translations() -> dict[str, Translation]:
    """The Chinese of every advice, by cause."""
    read = tables(__package__)
    common: dict[str, str] = read["common"]

    def whole(text: str) -> str:
        return _SHARED.sub(lambda match: common[match.group(1)], text)

    return {
        cause: Translation(
            whole(row["explanation"]),
            tuple(map(whole, row["fixes"])),
            tuple(row.get("next_steps", ())),
        )
        for name, rows in read.items()
        if name not in _NOT_CAUSES
        for cause, row in rows.items()
    }


@cache
def labels() -> dict[str, str]:
    """The words around an answer, by the English ones."""
    return dict(tables(__package__)["labels"])


@cache
def _patterns(kind: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = msgspec.convert(tables(__package__)["notes"][kind], list[_Note])
    return tuple((re.compile(row.says, re.DOTALL), row.chinese) for row in rows)


def note(text: str) -> str:
    """A computed sentence in Chinese; as it is where no pattern knows it."""
    for pattern, chinese in _patterns("note"):
        match = pattern.fullmatch(text)
        if match:
            return _filled(chinese, match)
    return text


def _filled(chinese: str, match: re.Match[str]) -> str:
    def group(place: re.Match[str]) -> str:
        part = match.group(int(place.group(2))) or ""
        return _parts(part) if place.group(1) else part

    return _GROUP.sub(group, chinese)


def _parts(text: str) -> str:
    for pattern, chinese in _patterns("part"):
        text = pattern.sub(lambda match, chinese=chinese: _filled(chinese, match), text)  # type: ignore[misc]
    return text


def advice(cause: str, known: Advice) -> Advice:
    """The advice on a cause in Chinese."""
    chinese = translations()[cause]
    fixes = tuple(
        msgspec.structs.replace(fix, **({"text": text} if fix.kind == "advice" else {"note": text}))
        for fix, text in zip(known.fixes, chinese.fixes, strict=True)
    )
    return Advice(chinese.explanation, fixes, chinese.next_steps, known.confidence)


def fix(found: Fix) -> Fix:
    """A fix that was made for one text, in Chinese."""
    changes = {"note": note(found.note)}
    if found.kind in ("advice", "setting"):
        changes["text"] = note(found.text)
    return msgspec.structs.replace(found, **changes)
