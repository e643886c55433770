"""Findings as JSON."""

import msgspec

from .finding import LintFinding
from .release import Release


def render(findings: list[LintFinding], release: Release) -> str:
    """`{"findings": [...], "transformers": {...}}`: `fix` is null, or has `text` and, if it is safe
    to apply, `edits`; `transformers` says which release was judged for, and why.
    """
    document = {
        "findings": [msgspec.to_builtins(finding) for finding in findings],
        "transformers": {"version": str(release.version), "because": release.because},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
