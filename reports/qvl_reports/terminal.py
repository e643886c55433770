"""The terminal's summary: verdict, causes and cures, what was not checked; the rest as counts."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator

from qvl_doctor.findings import Finding, Fix
from qvl_doctor.report import Report, Verdict
from qvl_reports import wording
from qvl_reports.outline import TOP_CAUSES, Group, Outline, outline
from qvl_reports.visible import one_line, shorten, visible
from qvl_reports.wrap import wrap

WIDEST = 100
MAX_CODE_LINES = 12
MAX_IDS = 8
MAX_GROUPS = 8
LONG = 600
RESET = "\x1b[0m"
BOLD, DIM, RED, YELLOW, GREEN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m"
COLOR = {Verdict.OK: GREEN, Verdict.PROBLEMS: RED, Verdict.INCOMPLETE: YELLOW}


class Page:
    """Lines of a terminal, with or without colour; text is made harmless before it is styled."""

    def __init__(self, width: int, color: bool) -> None:
        self.width = width
        self.color = color
        self.lines: list[str] = []

    def blank(self) -> None:
        """An empty line."""
        self.lines.append("")

    def style(self, text: str, *codes: str) -> str:
        """Our own words, styled."""
        return f"{''.join(codes)}{text}{RESET}" if self.color else text

    def text(self, text: str, indent: int = 0, first: str = "", *codes: str) -> None:
        """A paragraph of untrusted text; ``first`` stands in the indentation of its first line."""
        lines = wrap(one_line(text), self.width - indent)
        for place, line in enumerate(lines):
            lead = f"{first:<{indent}}" if place == 0 else " " * indent
            self.lines.append(lead + (self.style(line, *codes) if codes else line))

    def verbatim(self, lines: list[str], indent: int) -> None:
        """Something to copy: never wrapped."""
        self.lines += [" " * indent + visible(line) for line in lines]


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """The summary as text.

    ``width`` in columns defaults to the terminal's, at most 100; with ``color`` there are ANSI
    styles in it, for callers that know that they write to a terminal.
    """
    columns = shutil.get_terminal_size((80, 24)).columns if width is None else width
    page = Page(max(40, min(columns, WIDEST)), color)
    told = outline(report)
    _verdict(page, report, told)
    _causes(page, told)
    _unchecked(page, told)
    _counts(page, told)
    return "\n".join(line.rstrip() for line in page.lines) + "\n"


def _verdict(page: Page, report: Report, told: Outline) -> None:
    symbol = wording.VERDICT_SYMBOL[report.verdict]
    word = wording.VERDICT_WORD[report.verdict].upper()
    page.blank()
    page.lines.append(page.style(f"{symbol} {word}", BOLD, COLOR[report.verdict]))
    page.text(told.sentence, 2)
    python = report.target.get("python")
    if python is not None:
        why = report.target.get("chosen_because")
        page.text(f"Examined: {python}" + (f" ({why})" if why else ""), 2)


def _causes(page: Page, told: Outline) -> None:
    if not told.causes:
        return
    page.blank()
    page.lines.append(page.style("CAUSES AND FIXES", BOLD))
    for place, finding in enumerate(told.causes[:TOP_CAUSES], 1):
        page.blank()
        _cause(page, place, finding)
    more = len(told.causes) - TOP_CAUSES
    if more > 0:
        page.blank()
        page.text(f"and {more:,} more in the report", 4)


def _cause(page: Page, place: int, finding: Finding) -> None:
    page.text(finding.title, 4, f" {place}.", BOLD)
    severity = wording.SEVERITY_WORD[finding.severity]
    known = wording.CONFIDENCE_WORD[finding.confidence]
    page.text(f"{severity} · {known} · {finding.id}", 4, "", DIM)
    if finding.cause != finding.title:
        page.text(shorten(finding.cause, LONG), 4)
    if finding.fixes:
        _fix(page, finding.fixes[0])
    if len(finding.fixes) > 1:
        others = wording.count(len(finding.fixes) - 1, "other way")
        page.text(f"{others} in the report", 4, "", DIM)


def _fix(page: Page, fix: Fix) -> None:
    safety, proof = wording.SAFETY_WORD[fix.safety], shorten(wording.fix_proof(fix), LONG)
    page.text(f"{wording.FIX_WORD[fix.kind]}: {shorten(fix.summary, LONG)}", 6, "    →")
    if fix.kind == "command":
        page.verbatim(_command(fix.command or (), page.width - 8), 8)
    else:
        lines = wording.fix_text(fix).strip("\n").split("\n")
        if lines != [""]:
            page.verbatim(lines[:MAX_CODE_LINES], 8)
        if len(lines) > MAX_CODE_LINES:
            page.text(f"… {len(lines) - MAX_CODE_LINES} more lines in the report", 8)
    page.text(f"({safety}; {proof})", 6, "", DIM)


def _command(argv: tuple[str, ...], width: int) -> list[str]:
    """A shell line, continued over several where it is long, so that it can still be pasted."""
    lines = [""]
    for word in map(shlex.quote, argv):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1].strip() and len(longer) > width - 2:
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] = longer
    return lines


def _unchecked(page: Page, told: Outline) -> None:
    if not told.open:
        return
    page.blank()
    page.lines.append(page.style("NOT CHECKED, AND WHY", BOLD))
    for group in told.open[:MAX_GROUPS]:
        page.blank()
        _group(page, group)
    more = sum(len(group.ids) for group in told.open[MAX_GROUPS:])
    if more:
        page.blank()
        page.text(f"and {wording.count(more, 'more check')} for other reasons, in the report", 4)


def _group(page: Page, group: Group) -> None:
    symbol, word = wording.OUTCOME_SYMBOL[group.outcome], wording.OUTCOME_WORD[group.outcome]
    page.text(f"{word}: {shorten(group.reason, LONG)}", 4, f" {symbol}")
    ids = ", ".join(group.ids[:MAX_IDS])
    if len(group.ids) > MAX_IDS:
        ids += f" and {len(group.ids) - MAX_IDS} more"
    page.text(f"{wording.count(len(group.ids), 'check')}: {ids}", 4, "", DIM)


def _counts(page: Page, told: Outline) -> None:
    page.blank()
    page.text(" · ".join(_parts(told)))
    page.blank()


def _parts(told: Outline) -> Iterator[str]:
    yield f"✗ {len(told.failures)} failed"
    yield f"? {told.open_count} not checked"
    yield f"✓ {len(told.passed)} passed"
    if told.waived:
        yield f"~ {len(told.waived)} waived"
    yield f"– {told.aside_count} not applicable"
