"""``qvl-doctor schema``: the contract of report.json."""

from __future__ import annotations

import json

import click

from qvl_doctor.cli.streams import deliver
from qvl_doctor.errors import DoctorError
from qvl_doctor.report import json_schema


@click.command(name="schema")
def command() -> None:
    """Print the JSON Schema of report.json."""
    if trouble := deliver(json.dumps(json_schema(), indent=2) + "\n"):
        raise DoctorError(trouble)
