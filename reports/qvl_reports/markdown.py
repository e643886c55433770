"""The Markdown report, for GitHub issues: under 60 000 bytes, cut by priority, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from qvl_doctor.findings import Chart, Finding, Fix
from qvl_doctor.report import Report
from qvl_reports import wording
from qvl_reports.budget import Block, Section, fit
from qvl_reports.markdown_text import code, details, fence, inline, prose, table
from qvl_reports.markdown_values import tables
from qvl_reports.outline import TOP_CAUSES, Group, Outline, outline
from qvl_reports.values import number
from qvl_reports.visible import shorten

LIMIT = 59_999
"""Bytes. GitHub takes 65 536 characters, and the reader wants to add a sentence."""
LONG, SHORT = 1_500, 300
MAX_FIXES = 6
MOST_ROWS = 50
NOTE = "Cut to stay below 60 000 bytes: {cut}. Everything is in `report.json` and `report.html`."
# What is told first when there is not room for all.
HEAD, CAUSE, OPEN, FINDING, WAIVED, EVIDENCE, ASIDE, CHART, PASSED, FACTS = range(10)


def render(report: Report) -> str:
    """The report as GitHub-flavoured Markdown of fewer than 60 000 bytes."""
    told = outline(report)
    top = told.causes[:TOP_CAUSES]
    leading = {finding.id for finding in top}
    rest = [finding for finding in told.failures if finding.id not in leading]
    sections = [
        Section("", (Block(HEAD, _head(report, told)),)),
        Section("## Causes and fixes", tuple(_findings(top, CAUSE, "cause"))),
        Section("## Not checked, and why", tuple(_groups(told.open, OPEN))),
        Section("## Other findings", tuple(_findings(rest, FINDING, "finding"))),
        Section("## Waived", tuple(_findings(told.waived, WAIVED, "waived finding"))),
        Section("## In order or not applicable", tuple(_quiet(told))),
        Section("## Environment", tuple(_environment(report))),
    ]
    return fit(sections, LIMIT, NOTE)


def _head(report: Report, told: Outline) -> str:
    symbol, word = wording.VERDICT_SYMBOL[report.verdict], wording.VERDICT_WORD[report.verdict]
    lines = [f"# {symbol} qvl-doctor: {word}", "", inline(told.sentence), ""]
    python = report.target.get("python")
    if python is not None:
        why = inline(shorten(str(report.target.get("chosen_because", "")), SHORT))
        version = inline(shorten(str(report.target.get("version", "")), SHORT))
        lines.append(f"- Examined {code(shorten(str(python), SHORT))} ({why}), Python {version}")
    recorded = inline(shorten(report.facts.recorded_at, SHORT))
    doctor = inline(shorten(report.doctor, SHORT))
    fails = inline(shorten(report.fail_on, SHORT))
    lines.append(f"- Level {report.facts.level.value}, {recorded}, qvl-doctor {doctor}")
    lines.append(f"- The run fails on findings from “{fails}” upwards")
    return "\n".join(lines)


def _findings(
    findings: tuple[Finding, ...] | list[Finding], rank: int, noun: str
) -> Iterator[Block]:
    for finding in findings:
        main = Block(rank, _finding(finding), noun)
        yield main
        if finding.evidence:
            body = "\n\n".join(tables(finding.evidence))
            yield Block(EVIDENCE, details("Evidence", body), "evidence table", main)
        for chart in finding.charts:
            yield Block(CHART, _chart(chart), "chart", main)


def _finding(finding: Finding) -> str:
    symbol = wording.OUTCOME_SYMBOL[finding.outcome]
    parts = [
        f"### {symbol} {inline(shorten(finding.title, SHORT))}",
        f"{code(shorten(finding.id, SHORT))} · {wording.OUTCOME_WORD[finding.outcome]} · "
        f"{wording.SEVERITY_WORD[finding.severity]} · "
        f"{wording.CONFIDENCE_WORD[finding.confidence]}",
        prose(shorten(finding.cause, LONG)),
    ]
    if finding.explains:
        ids = ", ".join(code(shorten(one, SHORT)) for one in finding.explains[:10])
        parts.append(f"Explains {ids}")
    parts += [_fix(fix) for fix in finding.fixes[:MAX_FIXES]]
    return "\n\n".join(part for part in parts if part)


def _fix(fix: Fix) -> str:
    summary = inline(shorten(fix.summary, SHORT))
    proof = inline(shorten(wording.fix_proof(fix), SHORT))
    safety = wording.SAFETY_WORD[fix.safety]
    lines = [f"**{wording.FIX_WORD[fix.kind]}:** {summary} ({safety}; {proof})"]
    payload = wording.fix_text(fix)
    if payload:
        language = {"command": "sh", "code": "python"}.get(fix.kind, "")
        lines.append(fence(shorten(payload, LONG), language))
    elif fix.advice and fix.advice != fix.summary:
        lines.append(prose(shorten(fix.advice, LONG)))
    return "\n\n".join(lines)


def _groups(groups: tuple[Group, ...], rank: int) -> Iterator[Block]:
    """One block per reason; what a check of the group knows beyond it follows."""
    for group in groups:
        symbol, word = wording.OUTCOME_SYMBOL[group.outcome], wording.OUTCOME_WORD[group.outcome]
        reason = inline(shorten(group.reason, LONG))
        ids = ", ".join(code(shorten(one, SHORT)) for one in group.ids)
        many = wording.count(len(group.ids), "check")
        main = Block(
            rank, f"- **{symbol} {word}:** {reason}<br>{many}: {ids}", "reason for not checking"
        )
        yield main
        for finding in group.details:
            known = [*tables(finding.evidence), *(_fix(fix) for fix in finding.fixes[:MAX_FIXES])]
            if known:
                title = f"What is known about {shorten(finding.id, SHORT)}"
                yield Block(EVIDENCE, details(title, "\n\n".join(known)), "evidence table", main)


def _quiet(told: Outline) -> Iterator[Block]:
    if told.passed:
        body = "\n".join(
            f"- ✓ {inline(shorten(one.title, SHORT))} ({code(shorten(one.id, SHORT))})"
            for one in told.passed
        )
        title = f"{wording.count(len(told.passed), 'check')} passed"
        yield Block(PASSED, details(title, body), "list of passed checks")
    if told.aside:
        body = "\n".join(block.text for block in _groups(told.aside, ASIDE) if not block.follows)
        title = f"{wording.count(told.aside_count, 'check')} not applicable"
        yield Block(ASIDE, details(title, body), "list of checks that do not apply")


def _chart(chart: Chart) -> str:
    places = dict.fromkeys(x for series in chart.series for x, _y in series.points)
    known = [dict(series.points) for series in chart.series]
    rows = [
        (x if isinstance(x, str) else number(x), *(_y(values, x) for values in known))
        for x in _spread(list(places))
    ]
    columns = (chart.x, *(series.name for series in chart.series))
    limit = ""
    if chart.threshold is not None:
        limit = f"{inline(chart.threshold_label or 'limit')}: {number(chart.threshold)}\n\n"
    title = f"{chart.title} ({chart.y})"
    return details(shorten(title, SHORT), limit + table(columns, rows))


def _spread(places: list[float | str]) -> list[float | str]:
    """At most `MOST_ROWS` of them, evenly chosen, the first and the last among them."""
    last = len(places) - 1
    if last < MOST_ROWS:
        return places
    return [places[row * last // (MOST_ROWS - 1)] for row in range(MOST_ROWS)]


def _y(values: dict[float | str, float | None], x: float | str) -> str:
    if x not in values:
        return ""
    y = values[x]
    return "no finite value" if y is None else number(y)


def _environment(report: Report) -> Iterator[Block]:
    facts = report.facts
    if facts.plugin_failures:
        body = "\n\n".join(tables(facts.plugin_failures))
        yield Block(OPEN, f"Plugins that did not load:\n\n{body}", "list of plugins")
    for name, probe in sorted(facts.probes.items()):
        parts = [inline(shorten(probe.reason, LONG)), *tables(probe.data)]
        if probe.output:
            parts.append(fence(shorten(probe.output, LONG)))
        title = f"{shorten(name, SHORT)}: {probe.status.value.replace('_', ' ')}"
        body = "\n\n".join(part for part in parts if part)
        yield Block(FACTS, details(title, body), "probe record")
