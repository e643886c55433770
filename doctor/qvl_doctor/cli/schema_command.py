"""``qvl-doctor schema``: the contract of report.json."""

from __future__ import annotations

import json

import click

from qvl_doctor.report import json_schema


@click.command(name="schema")
def command() -> None:
    """Print the JSON Schema of report.json."""
    click.echo(json.dumps(json_schema(), indent=2))
