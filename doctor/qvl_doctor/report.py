"""The report: the contract between judging and rendering, and its JSON Schema."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec

from qvl_doctor import stable_json
from qvl_doctor.embedded import json_inside
from qvl_doctor.errors import UsageError
from qvl_doctor.facts import Record
from qvl_doctor.findings import Finding, Unchecked

REPORT_SCHEMA = "qvl-doctor/report/1"


class Verdict(enum.Enum):
    """The one word that the exit code follows."""

    OK = "ok"
    PROBLEMS = "problems"
    INCOMPLETE = "incomplete"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a renderer needs; ``facts`` is the record it was judged from."""

    schema: str
    doctor: str
    """Version of the doctor that judged."""
    verdict: Verdict
    fail_on: str
    """The mildest severity that fails the run."""
    target: dict[str, Any]
    """The interpreter, as in the facts, for readers who look no further."""
    causes: tuple[str, ...]
    """Ids of the failed findings that no other finding explains, worst first."""
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    facts: Record


def encode_report(report: Report) -> bytes:
    """Stable, readable JSON."""
    return stable_json.encode(report)


def load_report(path: Path) -> Report:
    """Read a saved report, JSON or HTML.

    Raises:
        UsageError: the file cannot be read or is not a report of a known schema.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        report = msgspec.json.decode(json_inside(raw), type=Report)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path} is not a qvl-doctor report ({error}); 'judge' makes one from facts"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is not JSON ({error}); give a report.json or report.html"
        ) from error
    if report.schema != REPORT_SCHEMA:
        raise UsageError(
            f"{path} has schema {report.schema!r}; this version reads {REPORT_SCHEMA!r}"
        )
    return report


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``report.json``."""
    schema = msgspec.json.schema(Report)
    fix = schema["$defs"]["Fix"]
    fix["allOf"] = [
        {"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": [kind]}}
        for kind in fix["properties"]["kind"]["enum"]
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": REPORT_SCHEMA,
        **schema,
    }
