"""Errors that end a run with one clear sentence and a documented exit code."""

from __future__ import annotations

EXIT_OK = 0
EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_INTERNAL = 3
EXIT_INCOMPLETE = 4
EXIT_INTERRUPTED = 130


class DoctorError(Exception):
    """The doctor itself could not do its work; the message is one sentence for the user."""

    exit_code = EXIT_INTERNAL


class UsageError(DoctorError):
    """What the user asked for cannot be done as asked; the message says what to do instead."""

    exit_code = EXIT_USAGE
