"""Findings for people."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text

from .finding import LEVELS, LintFinding
from .release import Release

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "hint": "dim"}


def render(findings: list[LintFinding], console: Console, files: int, release: Release) -> None:
    """One paragraph per finding, then the counts and what they hold for."""
    for finding in findings:
        cell = f" cell {finding.cell}" if finding.cell is not None else ""
        head = Text(f"{finding.file}{cell}:{finding.line}:{finding.column}: ")
        head.append(finding.level, style=STYLES[finding.level])
        head.append(f" {finding.id}", style="bold")
        console.print(head, soft_wrap=True)
        console.print(Text(f"  {finding.message}"), soft_wrap=True)
        if finding.fix is not None:
            mark = " (--fix)" if finding.fix.edits else ""
            console.print(Text(f"  Fix{mark}: {finding.fix.text}", style="green"), soft_wrap=True)
    counts = Counter(finding.level for finding in findings)
    found = ", ".join(
        f"{counts[level]} {level}{'s' if counts[level] != 1 and level != 'info' else ''}"
        for level in LEVELS
        if counts[level]
    )
    console.print(
        Text(f"{found or 'Nothing found'} in {files} file{'s' if files != 1 else ''}."),
        soft_wrap=True,
    )
    console.print(
        Text(f"Judged for transformers {release.version}, {release.because}.", style="dim"),
        soft_wrap=True,
    )
