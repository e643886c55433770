"""The end of a run: the verdict on standard output, the files, the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from qvl_doctor.judge import exit_code
from qvl_doctor.output import write
from qvl_doctor.policy import Policy
from qvl_doctor.registry import Registry
from qvl_doctor.report import Report


def conclude(
    report: Report, registry: Registry, policy: Policy, folder: Path, formats: Sequence[str]
) -> int:
    """Print the verdict first, so that a full disk cannot swallow it; then write the files.

    Raises:
        DoctorError: a file cannot be written or a renderer did not load.
    """
    render = registry.renderer("terminal")
    if render is not None:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo(render(report, color=color), nl=False, color=color)
    paths = write(report, folder, formats, registry)
    click.echo("Report: " + "  ".join(str(path) for path in paths))
    return exit_code(report, policy)
