"""Choosing the interpreter to examine."""

from __future__ import annotations

import contextlib
import os
import shutil
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
        UsageError: what was named is not a program that can be started, or the active environment
            has no interpreter: to examine another one in its place would answer another question.
    """
    environment = os.environ if environment is None else environment
    if python is not None:
        return Choice(_program(python, environment), "named with --python")
    for variable, kind in (("VIRTUAL_ENV", "virtual"), ("CONDA_PREFIX", "conda")):
        prefix = environment.get(variable)
        if not prefix:
            continue
        if _same(prefix, sys.prefix):
            break
        found = _python_in(Path(prefix))
        if found is None:
            raise UsageError(
                f"the active {kind} environment {prefix} (${variable}) has no Python interpreter "
                "that can be started; activate another one or name an interpreter with --python"
            )
        return Choice(str(found), f"the active {kind} environment (${variable})")
    return Choice(sys.executable, "the interpreter that qvl-doctor runs in")


def _program(name: str, environment: Mapping[str, str]) -> str:
    if not name:
        raise UsageError("--python is empty; give the path of a Python interpreter")
    path = Path(os.path.expanduser(name))
    try:
        if path.is_dir():
            found = _python_in(path)
            if found is None:
                raise UsageError(
                    f"--python {name}: no Python in this folder; name the interpreter itself"
                )
            return str(found)
        if not path.exists():
            command = shutil.which(name, path=environment.get("PATH", os.defpath))
            if command is None or os.sep in name:
                raise UsageError(
                    f"--python {name}: no such file; give the path of a Python interpreter"
                )
            return str(Path(command).absolute())
        if not os.access(path, os.X_OK):
            raise UsageError(
                f"--python {name}: not executable; give the path of a Python interpreter"
            )
        return str(path.absolute())
    except OSError as error:
        raise UsageError(
            f"--python {name}: {error.strerror or error}; give the path of a Python interpreter"
        ) from error


def _python_in(prefix: Path) -> Path | None:
    """The interpreter of an environment's folder."""
    for relative in ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe"):
        candidate = prefix / relative
        with contextlib.suppress(OSError):
            if candidate.exists():
                return candidate.absolute()
    return None


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
