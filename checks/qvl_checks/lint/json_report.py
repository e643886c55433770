"""Findings as JSON."""

import msgspec

from .finding import LintFinding


def render(findings: list[LintFinding]) -> str:
    """`{"findings": [...]}`; `fix` is null, or has `text` and, if it is safe to apply, `edits`."""
    document = {"findings": [msgspec.to_builtins(finding) for finding in findings]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
