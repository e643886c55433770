"""A renderer: one line per finding."""

from qvl_doctor.report import Report


def render(report: Report) -> str:
    """``outcome id``, one per line."""
    return "".join(f"{finding.outcome.value} {finding.id}\n" for finding in report.findings)
