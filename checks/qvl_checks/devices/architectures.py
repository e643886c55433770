"""Whether a list of GPU architectures serves a compute capability.

Machine code of ``sm_XY`` runs on the same major with the same or a later minor; PTX of
``compute_XY`` is compiled at load for any later capability. Names with a letter (``sm_90a``) run
on exactly that capability (CUDA C++ Programming Guide, "Binary compatibility").
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)$")


def serves(names: Iterable[str], capability: tuple[int, int]) -> bool:
    """Whether any of ``sm_80``, ``compute_90``, ``sm_90a`` runs on this capability."""
    return any(_serves(name, capability) for name in names)


def _serves(name: str, capability: tuple[int, int]) -> bool:
    match = NAME.match(name)
    if match is None:
        return False
    kind, built = match[1], (int(match[2]), int(match[3]))
    if match[4] == "a":
        return built == capability
    if kind == "sm" or match[4] == "f":
        return built[0] == capability[0] and built[1] <= capability[1]
    return built <= capability
