"""Which modules the skip list of a quantisation config covers, as each release matches names.

The entries come from an untrusted file. They are never compiled as regular expressions: ``.*`` is
understood, other special characters make an entry undecidable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from packaging.version import Version

ANCHORED_SINCE = Version("5.0.0.dev0")
"""Up to 4.57 an entry matches anywhere in the name; from 5.0 from its start or at its end."""
FP8_RENAMES_SINCE = Version("5.15.0")
"""Releases from which the FP8 loader translates old module paths (absent in 5.8.1)."""
KEYS = ("modules_to_not_convert", "llm_int8_skip_modules", "skip_modules")
SPECIAL = set("[](){}|+?^$\\*")


def entries(quantization: dict[str, Any]) -> list[str]:
    """The skip list, by whatever key this method keeps it."""
    for key in KEYS:
        listed = quantization.get(key)
        if isinstance(listed, list):
            return [entry for entry in listed if isinstance(entry, str)]
    return []


def undecidable(listed: Iterable[str]) -> list[str]:
    """Entries that use more of the regular expression language than ``.*``."""
    return [entry for entry in listed if SPECIAL & set(entry.replace(".*", ""))]


def covers(entry: str, module: str, release: Version, method: str) -> bool:
    """Whether this entry keeps this module out of the quantisation."""
    if release < ANCHORED_SINCE:
        if method != "bitsandbytes":
            return entry in module
        # Whole components, of which the last one must be the whole entry.
        return f"{entry}." in module or entry in (module, module.rpartition(".")[2])
    names = [entry]
    if method == "fp8" and release >= FP8_RENAMES_SINCE and entry.startswith("visual"):
        names.append(f"model.{entry}")
    return any(module.endswith(name) or _starts(name.split(".*"), module) for name in names)


def _starts(pieces: list[str], module: str) -> bool:
    """Whether the pieces follow each other in the name, the first one at its start."""
    if not module.startswith(pieces[0]):
        return False
    at = len(pieces[0])
    for piece in pieces[1:]:
        at = module.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True
