"""Standard streams that may be closed, full, gone or unable to show a character.

None of that may cost the report: what cannot be said is told as data, and never raised.
"""

from __future__ import annotations

import contextlib
import os
import sys
from io import TextIOWrapper


def prepare() -> None:
    """Give every closed stream a place to go, before a file of ours takes its number; replace
    what the encoding cannot say: a Chinese path must not end the run."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    # Dead on purpose at the end of the process, like the streams that they stand for.
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(text: str) -> str:
    """Print text for a person; return why that failed, or an empty string.

    A reader who has seen enough (``| head``) is no failure.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(1)
    except (OSError, ValueError) as error:
        _silence(1)
        return f"cannot write to standard output: {getattr(error, 'strerror', None) or error}"
    return ""


def deliver(text: str) -> str:
    """Print a document as UTF-8, whatever the terminal's encoding; like `show` else."""
    stream = sys.stdout
    if isinstance(stream, TextIOWrapper):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return show(text)


def say(text: str) -> None:
    """One line on standard error, if there is anybody to read it."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _silence(2)


def _silence(number: int) -> None:
    """What is left in the buffer must not fail again when Python ends and change the exit code."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)
