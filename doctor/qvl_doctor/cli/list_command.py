"""``qvl-doctor list``: every rule, and which of them are checked on a machine."""

from __future__ import annotations

import json
from typing import Any

import click

from qvl_doctor.cli.streams import deliver, show
from qvl_doctor.errors import DoctorError
from qvl_doctor.probe import Level
from qvl_doctor.registry import Registry
from qvl_doctor.selection import matches


@click.command(name="list")
@click.argument("pattern", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(pattern: str | None, as_json: bool) -> None:
    """List every check and rule, or those that match PATTERN (a topic, an id, a glob)."""
    registry = Registry()
    rows = []
    for rule_id, rule in registry.rules().items():
        if pattern and not matches(rule_id, pattern):
            continue
        check = registry.checks.get(rule_id)
        levels = [
            registry.probes[need.facts.probe].level
            for need in (check.needs if check else ())
            if need.facts.probe in registry.probes and not need.optional
        ]
        rows.append(
            {
                "id": rule_id,
                "title": rule.title,
                "severity": rule.severity.value,
                "confidence": rule.confidence.value,
                "checked": check is not None,
                "level": max(levels, key=lambda level: level.rank, default=Level.QUICK).value
                if check
                else None,
            }
        )
    if as_json:
        trouble = deliver(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    else:
        trouble = show("".join(map(_line, rows)))
    if trouble:
        raise DoctorError(trouble)


def _line(row: dict[str, Any]) -> str:
    level = row["level"] or "-"
    return f"{row['id']:<48} {row['severity']:<15} {level:<9} {row['title']}\n"
