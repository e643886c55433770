"""``qvl-doctor judge``: every check again, on saved facts."""

from __future__ import annotations

from pathlib import Path

import click

from qvl_doctor.cli.conclude import conclude
from qvl_doctor.cli.policy_options import policy_from, policy_options
from qvl_doctor.cli.report_options import report_options
from qvl_doctor.facts import load_record
from qvl_doctor.judge import judge
from qvl_doctor.output import check_formats, prepare_folder
from qvl_doctor.registry import Registry


@click.command(name="judge")
@click.argument("facts", type=click.Path(path_type=Path))
@report_options
@policy_options
def command(
    facts: Path,
    output: Path | None,
    formats: tuple[str, ...],
    policy: Path | None,
    fail_on: str | None,
    allow_unchecked: bool,
) -> int:
    """Judge saved facts again, without the machine they came from.

    FACTS is a facts.json, or a report.json or report.html, which embed them. Needs neither torch
    nor a GPU.
    """
    registry = Registry()
    wished_policy = policy_from(policy, fail_on, allow_unchecked)
    formats = check_formats(formats, registry)
    record = load_record(facts)
    folder = prepare_folder(output)
    report = judge(record, registry, wished_policy)
    return conclude(report, registry, wished_policy, folder, formats)
