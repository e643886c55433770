"""Which release of transformers to judge for, and why."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import metadata
from queue import Empty
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from qvl_doctor.errors import UsageError
from qvl_doctor.running.child import Child
from qvl_doctor.target import Choice, choose

from . import knowledge

PACKAGE = "transformers"
ANSWER_S = 10.0
"""Python starts and looks up one package in well under a second; a stuck disk is not waited for."""
LOOK_UP = (
    "import json, importlib.metadata as m\n"
    "try:\n    v = m.version('transformers')\n"
    "except m.PackageNotFoundError:\n    v = None\n"
    "print('\\n' + json.dumps(['transformers', v]))"
)


class Release(NamedTuple):
    """A release of transformers and the reason for judging for it."""

    version: Version
    because: str


def choose_release(transformers: str | None, python: str | None) -> Release:
    """What was asked for; else what the interpreter has in which the code will run; else the
    newest release that the rules know.

    Raises:
        UsageError: no version number, or no interpreter.
    """
    if transformers is not None:
        if python is not None:
            raise UsageError(
                "--transformers names a release and --python an interpreter to take it from;"
                " give one of them"
            )
        try:
            return Release(Version(transformers), "given with --transformers")
        except InvalidVersion as error:
            raise UsageError(
                f"--transformers {transformers}: give a version number such as 4.57.1"
            ) from error
    target = choose(python)
    name = f"{target.python} ({target.because})"
    try:
        found = installed(target)
    except LookupError as error:
        return _newest(f"{name} {error}")
    if found is None:
        return _newest(f"{name} has no {PACKAGE}")
    try:
        return Release(Version(found), f"installed in {name}")
    except InvalidVersion:
        return _newest(f"{name} has a {PACKAGE} with the version {found!r}")


def _newest(why: str) -> Release:
    return Release(knowledge.newest(), f"the newest known, because {why}")


def installed(target: Choice) -> str | None:
    """The version of transformers that the target's own look-up gives; None if it has none.
    Imports nothing of it.

    Raises:
        LookupError: the interpreter does not answer; the message goes on after its name.
    """
    if target.python == sys.executable:
        try:
            return metadata.version(PACKAGE)
        except metadata.PackageNotFoundError:
            return None
    try:
        child = Child([target.python, "-c", LOOK_UP], os.environ)
    except OSError as error:
        raise LookupError(f"cannot be started: {error.strerror or error}") from error
    try:
        return _answer(child)
    finally:
        child.kill()


def _answer(child: Child) -> str | None:
    deadline = time.monotonic() + ANSWER_S
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = child.lines.get(timeout=left)
        except Empty:
            break
        if line is None:
            raise LookupError("does not say what is installed in it")
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, list) and len(answer) == 2 and answer[0] == PACKAGE:
            version = answer[1]
            return version if isinstance(version, str) else None
    raise LookupError(f"did not answer within {ANSWER_S:.0f} s")
