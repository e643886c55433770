"""The JSON report: the contract itself, nothing added and nothing left out."""

from __future__ import annotations

from qvl_doctor.report import Report, encode_report


def render(report: Report) -> str:
    """The report as stable, readable JSON."""
    return encode_report(report).decode()
