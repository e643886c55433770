"""Choosing the interpreter to examine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from qvl_doctor.errors import UsageError


class Choice(NamedTuple):
    """An interpreter and why it was chosen."""

    python: str
    because: str


def choose(python: str | None, environment: Mapping[str, str] | None = None) -> Choice:
    """The interpreter that the run is about.

    ``--python`` wins; else the active virtual or conda environment, if the doctor lives elsewhere;
    else the doctor's own interpreter. Symbolic links are kept: a virtual environment is its path.

    Raises:
        UsageError: what was named is not a program that can be started.
    """
    environment = os.environ if environment is None else environment
    if python is not None:
        return Choice(_program(python), "named with --python")
    for variable, kind in (("VIRTUAL_ENV", "virtual"), ("CONDA_PREFIX", "conda")):
        prefix = environment.get(variable)
        if prefix and not _same(prefix, sys.prefix):
            found = _python_in(Path(prefix))
            if found is not None:
                return Choice(str(found), f"the active {kind} environment (${variable})")
    return Choice(sys.executable, "the interpreter that qvl-doctor runs in")


def _program(name: str) -> str:
    path = Path(name).expanduser()
    if path.is_dir():
        found = _python_in(path)
        if found is None:
            raise UsageError(
                f"--python {name}: no Python in this folder; name the interpreter itself"
            )
        return str(found)
    if not path.exists():
        raise UsageError(f"--python {name}: no such file; give the path of a Python interpreter")
    if not os.access(path, os.X_OK):
        raise UsageError(f"--python {name}: not executable; give the path of a Python interpreter")
    return str(path.absolute())


def _python_in(prefix: Path) -> Path | None:
    """The interpreter of an environment's folder."""
    for relative in ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe"):
        candidate = prefix / relative
        if candidate.exists():
            return candidate.absolute()
    return None


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
