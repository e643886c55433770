"""The packages that transformers quantises a cache with, called without building anything.

Runs in the target; standard library only at module level. quanto compiles an extension into its own
folder on first use. Doing that to an examined environment would change it, and a build that is
ended half-way leaves a lock which every later program waits for.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import SimpleNamespace
from typing import Any

BACKENDS = {"quanto": ("optimum.quanto", (4, 2)), "hqq": ("hqq", (8, 4, 2))}
"""Backend -> its module, and the numbers of bits that are tried."""


def present(backend: str) -> bool:
    """Whether its code is installed."""
    try:
        found = importlib.util.find_spec(BACKENDS[backend][0])
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None  # a folder without code has none


def prepare(backend: str) -> None:
    """Import the backend and keep it from compiling, in this process.

    Raises:
        ImportError, AttributeError: it is not the package that is known here.
    """
    forbid_building()
    importlib.import_module(BACKENDS[backend][0])
    if backend == "quanto":
        kind: Any = importlib.import_module("optimum.quanto.library.extensions.extension").Extension
        kind.lib = property(lambda extension: SimpleNamespace(unpack=unpacked))


def unpacked(packed: Any, bits: int) -> Any:
    """What quanto's extension computes: the small integers of every byte, the lowest first, along
    the first dimension."""
    import torch

    parts = [(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    return torch.cat(parts).to(torch.uint8)


def forbid_building() -> None:
    """No extension is built by this process."""
    try:
        cpp_extension: Any = importlib.import_module("torch.utils.cpp_extension")
    except Exception:  # an old setuptools, or none: then nobody can build one
        return

    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise RuntimeError("it would compile an extension, which an examination must not do")

    cpp_extension.load = refuse
    cpp_extension.load_inline = refuse
