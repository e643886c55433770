"""The options that say where the report goes and in which forms, shared by ``check`` and
``judge``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from qvl_doctor.output import DEFAULT_FORMATS

Function = TypeVar("Function", bound=Callable[..., Any])


def report_options(function: Function) -> Function:
    """Add ``--output`` and ``--format``."""
    for option in (
        click.option(
            "--format",
            "formats",
            metavar="NAME",
            multiple=True,
            default=DEFAULT_FORMATS,
            show_default=True,
            help="html, json, md or terminal; repeat it for several.",
        ),
        click.option("--output", type=click.Path(path_type=Path), help="Folder for the report."),
    ):
        function = option(function)
    return function
