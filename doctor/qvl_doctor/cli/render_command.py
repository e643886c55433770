"""``qvl-doctor render``: a saved report in another format."""

from __future__ import annotations

from pathlib import Path

import click

from qvl_doctor.cli.streams import deliver
from qvl_doctor.errors import DoctorError, UsageError
from qvl_doctor.output import check_formats, render_with
from qvl_doctor.registry import Registry
from qvl_doctor.report import load_report


@click.command(name="render")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--format", "format_name", default="md", show_default=True, help="html, json, md, …")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; default: print it."
)
def command(report: Path, format_name: str, output: Path | None) -> None:
    """Render a saved report (report.json or report.html) in another format."""
    registry = Registry()
    (format_name,) = check_formats([format_name], registry)
    loaded = load_report(report)
    text = render_with(registry, format_name, loaded)
    if output is None:
        if trouble := deliver(text):
            raise DoctorError(trouble)
        return
    try:
        output.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from error
