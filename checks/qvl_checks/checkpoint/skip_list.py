"""Which modules the skip list of a quantisation config covers, as each release matches names.

The entries come from an untrusted file, so they are not used as the regular expressions that they
are from 5.0 on: a few ``.*`` are understood, other special characters make an entry undecidable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from packaging.version import Version

ANCHORED_SINCE = Version("5.0.0.dev0")
"""Up to 4.57 an entry matches anywhere in the name; from 5.0 from its start or at its end."""
WHOLE_PARTS_SINCE = Version("5.21.0.dev0")
"""Releases from which ``model.vis`` does not match ``model.visual`` any more."""
FP8_RENAMES_SINCE = Version("5.15.0")
"""Releases from which the FP8 loader translates old module paths (absent in 5.8.1)."""
KEYS = ("modules_to_not_convert", "llm_int8_skip_modules", "skip_modules")
ANY = ".*"
ANY_LIMIT = 3
"""More of them could make matching slow."""
SPECIAL = set("[](){}|+?^$\\*")


def entries(quantization: dict[str, Any]) -> list[str]:
    """The skip list, by whatever key this method keeps it."""
    for key in KEYS:
        listed = quantization.get(key)
        if isinstance(listed, list):
            return [entry for entry in listed if isinstance(entry, str)]
    return []


def undecidable(listed: Iterable[str]) -> list[str]:
    """Entries that use more of the regular expression language than a few ``.*``."""
    return [
        entry
        for entry in listed
        if SPECIAL & set(entry.replace(ANY, "")) or entry.count(ANY) > ANY_LIMIT
    ]


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
    return any(module.endswith(name) or _starts(name, module, release) for name in names)


def _starts(entry: str, module: str, release: Version) -> bool:
    """Whether the entry matches from the start of the name; later releases want a whole part."""
    pieces = entry.split(ANY)
    if len(pieces) > ANY_LIMIT + 1:
        return False
    boundary = r"(?:(?<=\.)|(?=\.|$))" if release >= WHOLE_PARTS_SINCE else ""
    return re.match(ANY.join(map(re.escape, pieces)) + boundary, module) is not None
