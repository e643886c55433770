"""The end of a run: the verdict on standard output, the files, the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qvl_doctor.cli.streams import show
from qvl_doctor.errors import DoctorError
from qvl_doctor.judge import exit_code
from qvl_doctor.output import render_with, write
from qvl_doctor.policy import Policy
from qvl_doctor.registry import Registry
from qvl_doctor.report import Report


def conclude(
    report: Report, registry: Registry, policy: Policy, folder: Path, formats: Sequence[str]
) -> int:
    """Write the files, print the verdict; neither can keep the other from being done.

    Raises:
        DoctorError: a file or the verdict could not be written, or a renderer failed.
    """
    paths, troubles = write(report, folder, formats, registry)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    try:
        text = render_with(registry, "terminal", report, color=color)
    except DoctorError as error:
        text = f"{report.verdict.value}\n"
        troubles.append(str(error))
    if paths:
        text += "Report: " + "  ".join(str(path) for path in paths) + "\n"
    troubles += filter(None, [show(text)])
    if troubles:
        raise DoctorError("; ".join(troubles))
    return exit_code(report, policy)
