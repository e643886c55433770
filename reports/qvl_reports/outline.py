"""The order in which every renderer tells a report: verdict, causes, not checked, the rest."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import NamedTuple

from qvl_doctor.findings import Finding, Outcome, Severity, Unchecked
from qvl_doctor.report import Report, Verdict
from qvl_reports.wording import SEVERITY_WORD, count

TOP_CAUSES = 5
ALARMS = (Outcome.ERROR, Outcome.INCONCLUSIVE)
THROUGH = re.compile(r"(?:needs the facts of )?(?P<probe>[^\s:,]+)(?:, which failed)?: ")


class Group(NamedTuple):
    """Checks without a verdict that share one reason."""

    outcome: Outcome
    reason: str
    ids: tuple[str, ...]
    probes: tuple[str, ...]
    """The probes that the engine named in front of the reason."""
    details: tuple[Finding, ...]
    """Those of the group that say more than the reason: with evidence, fixes or charts."""


class Outline(NamedTuple):
    """A report, sorted for reading."""

    sentence: str
    """The verdict in one sentence."""
    causes: tuple[Finding, ...]
    failed: tuple[tuple[Severity, tuple[Finding, ...]], ...]
    """Every failed finding, worst severity first."""
    waived: tuple[Finding, ...]
    passed: tuple[Finding, ...]
    open: tuple[Group, ...]
    """Questions that arise here and have no answer: blocked, inconclusive, error."""
    aside: tuple[Group, ...]
    """Questions that do not arise here."""
    explained_by: dict[str, tuple[str, ...]]
    """Id of a symptom -> ids of the failed findings that explain it."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Every failed finding, worst first."""
        return tuple(finding for _severity, findings in self.failed for finding in findings)

    @property
    def open_count(self) -> int:
        """How many checks have no answer."""
        return sum(len(group.ids) for group in self.open)

    @property
    def aside_count(self) -> int:
        """How many checks do not apply."""
        return sum(len(group.ids) for group in self.aside)


def outline(report: Report) -> Outline:
    """Sort the findings of a report; pure."""
    failures = [finding for finding in report.findings if finding.outcome is Outcome.FAIL]
    by_id = {finding.id: finding for finding in reversed(failures)}
    by_severity = (
        (severity, tuple(finding for finding in failures if finding.severity is severity))
        for severity in Severity
    )
    explained: dict[str, tuple[str, ...]] = {}
    for finding in failures:
        for symptom in finding.explains:
            explained[symptom] = (*explained.get(symptom, ()), finding.id)
    groups = _groups(report)
    told = Outline(
        sentence="",
        causes=tuple(by_id[cause] for cause in report.causes if cause in by_id),
        failed=tuple((severity, found) for severity, found in by_severity if found),
        waived=_with(report, Outcome.WAIVED),
        passed=_with(report, Outcome.PASS),
        open=tuple(group for group in groups if group.outcome is not Outcome.NOT_APPLICABLE),
        aside=tuple(group for group in groups if group.outcome is Outcome.NOT_APPLICABLE),
        explained_by=explained,
    )
    return told._replace(sentence=_sentence(report, told))


def _with(report: Report, outcome: Outcome) -> tuple[Finding, ...]:
    return tuple(finding for finding in report.findings if finding.outcome is outcome)


def _groups(report: Report) -> list[Group]:
    """One group per outcome and reason: errors first, then the reasons that stop most."""
    findings = {finding.id: finding for finding in report.findings if not finding.outcome.judged}
    listed = {item.id for item in report.unchecked}
    unlisted = (
        Unchecked(id=finding.id, outcome=finding.outcome, reason=finding.cause)
        for finding in findings.values()
        if finding.id not in listed
    )
    members: dict[tuple[Outcome, str], tuple[list[str], list[str]]] = {}
    for item in (*report.unchecked, *unlisted):
        through, reason = _split(item.reason, report.facts.probes)
        ids, probes = members.setdefault((item.outcome, reason), ([], []))
        ids.append(item.id)
        probes += (probe for probe in through if probe not in probes)
    groups = [
        Group(outcome, reason, tuple(ids), tuple(probes), _telling(ids, findings))
        for (outcome, reason), (ids, probes) in members.items()
    ]
    return sorted(groups, key=lambda group: (_alarm(group.outcome), -len(group.ids)))


def _alarm(outcome: Outcome) -> int:
    """What went wrong comes before what could not begin."""
    return ALARMS.index(outcome) if outcome in ALARMS else len(ALARMS)


def _split(reason: str, probes: Container[str]) -> tuple[tuple[str, ...], str]:
    """The probes that a reason came through, and the reason that the first of them gave.

    One cause is so one group, whoever ran into it. The engine writes ``probe: why``, and a probe
    that needs another one ``needs the facts of probe, which failed: why``.
    """
    through: tuple[str, ...] = ()
    while (found := THROUGH.match(reason)) and found["probe"] in probes:
        through = (*through, found["probe"])
        reason = reason[found.end() :]
    return through, reason


def _telling(ids: Iterable[str], findings: dict[str, Finding]) -> tuple[Finding, ...]:
    found = (findings[one] for one in dict.fromkeys(ids) if one in findings)
    return tuple(one for one in found if one.evidence or one.fixes or one.charts)


def _sentence(report: Report, told: Outline) -> str:
    failures = told.failures
    parts = []
    if failures:
        parts.append(_failures(report, told))
    elif report.verdict is Verdict.OK:
        judged = len(told.passed) + len(told.waived)
        parts.append(f"Nothing failed: {count(judged, 'check')} ran and found nothing wrong")
    elif told.passed or told.waived:
        parts.append("Nothing that was checked failed")
    else:
        parts.append("No check reached a verdict")
    if told.open_count:
        parts.append(f"{count(told.open_count, 'check')} could not be made")
    sentence = "; ".join(parts) + "."
    if report.facts.interrupted:
        sentence += " The run was interrupted: this is what was known by then."
    return sentence


def _failures(report: Report, told: Outline) -> str:
    failures, worst = told.failures, told.failures[0].severity
    text = f"{count(len(failures), 'check')} failed"
    if 0 < len(told.causes) < len(failures):
        text += f", from {count(len(told.causes), 'cause')}"
    if report.verdict is not Verdict.PROBLEMS:
        return f"{text}, none of them as severe as '{report.fail_on}'"
    return f"{text}; the worst consequence is “{SEVERITY_WORD[worst]}”"
