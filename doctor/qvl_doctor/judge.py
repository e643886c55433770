"""From a record to a report: pure, needs neither torch nor a GPU, and always gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from qvl_doctor import __version__
from qvl_doctor.check import Check, Need
from qvl_doctor.errors import (
    EXIT_INCOMPLETE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROBLEMS,
)
from qvl_doctor.facts import ProbeRecord, ProbeStatus, Record, TargetFacts
from qvl_doctor.findings import Confidence, Finding, Fix, Outcome, Severity, Unchecked
from qvl_doctor.judgement import Judgement
from qvl_doctor.policy import Policy
from qvl_doctor.probe import Facts
from qvl_doctor.registry import Registry
from qvl_doctor.report import REPORT_SCHEMA, Report, Verdict
from qvl_doctor.selection import selected

PLUGIN_FAILED = "engine.plugin-failed"
TARGET_BROKEN = "engine.target-does-not-run"
DOCTOR_FAILED = "engine.doctor-failed"

OUTCOME_ORDER = [
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.BLOCKED,
    Outcome.WAIVED,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
]
UNSETTLED = (Outcome.BLOCKED, Outcome.INCONCLUSIVE, Outcome.ERROR)
"""Outcomes that make a run incomplete: the question arises here and has no answer."""

STATUS_OUTCOME = {
    ProbeStatus.RAISED: Outcome.ERROR,
    ProbeStatus.CRASHED: Outcome.ERROR,
    ProbeStatus.TIMED_OUT: Outcome.ERROR,
    ProbeStatus.BLOCKED: Outcome.BLOCKED,
    ProbeStatus.INTERRUPTED: Outcome.BLOCKED,
    ProbeStatus.NOT_RUN: Outcome.NOT_APPLICABLE,
}


class FactsMissing(Exception):
    """A check cannot have what it declared; carries the outcome and the reason."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def judge(record: Record, registry: Registry, policy: Policy) -> Report:
    """Run every check on the facts of a record and sum up."""
    today = date.fromisoformat(record.recorded_at[:10])
    findings: list[Finding] = []
    left_out: list[Unchecked] = []
    for check in registry.checks.values():
        if not selected(check.id, record.only, record.skip):
            left_out.append(
                Unchecked(
                    id=check.id,
                    outcome=Outcome.NOT_APPLICABLE,
                    reason="left out with --only or --skip",
                )
            )
            continue
        findings.append(waive(find(check, record, registry), policy, today))
    findings.extend(engine_findings(record, registry))
    findings.sort(key=_order)
    unchecked = [
        Unchecked(id=finding.id, outcome=finding.outcome, reason=finding.cause)
        for finding in findings
        if not finding.outcome.judged
    ]
    target = record.probes.get(TargetFacts.probe)
    known = target.data if target and isinstance(target.data, dict) else {}
    return Report(
        schema=REPORT_SCHEMA,
        doctor=__version__,
        verdict=verdict(findings, record, policy),
        fail_on=policy.fail_on.value,
        target=known,
        causes=causes(findings),
        findings=tuple(findings),
        unchecked=(*unchecked, *left_out),
        facts=record,
    )


def find(check: Check, record: Record, registry: Registry) -> Finding:
    """Run one check; whatever goes wrong in it is its own outcome, never the run's."""
    rule = registry.heading(check)
    if rule is None:
        judgement = _error(f"its rule page cannot be read: {registry.failures[check.id]}")
        return _finding(check.id, judgement, Severity.HYGIENE)
    try:
        facts = {need.parameter: facts_for(need, record) for need in check.needs}
        judgement = sound(check.judge(**facts), facts)
    except FactsMissing as missing:
        title = f"Not checked: {rule.title}"
        judgement = Judgement(outcome=missing.outcome, title=title, cause=str(missing))
    except (Exception, SystemExit) as error:
        judgement = _error(f"the check itself failed: {type(error).__name__}: {error}")
    return _finding(check.id, judgement, rule.severity)


def sound(judgement: object, facts: Mapping[str, Facts | None]) -> Judgement:
    """What a check returned, if it is a judgement that can be saved and stands on facts.

    Raises:
        TypeError: it is none, or holds what JSON cannot.
        ValueError: it passes and has seen nothing.
    """
    if not isinstance(judgement, Judgement):
        raise TypeError(f"it returned {type(judgement).__name__}, not a judgement")
    if judgement.outcome is Outcome.PASS and all(fact is None for fact in facts.values()):
        raise ValueError("it passed without any facts")
    msgspec.to_builtins(judgement)
    return judgement


def facts_for(need: Need, record: Record) -> Facts | None:
    """The facts of one parameter, decoded.

    Raises:
        FactsMissing: they do not exist, with the outcome that this gives.
    """
    probe = record.probes.get(need.facts.probe)
    if probe is None or probe.status is not ProbeStatus.OK:
        if need.optional:
            return None
        raise _missing(need, probe)
    try:
        return msgspec.convert(probe.data, need.facts)
    except msgspec.ValidationError as error:
        raise FactsMissing(
            Outcome.ERROR, f"the facts of {need.facts.probe} are not what it promises: {error}"
        ) from error


def _missing(need: Need, probe: ProbeRecord | None) -> FactsMissing:
    if probe is None:
        return FactsMissing(Outcome.BLOCKED, f"these facts hold nothing from {need.facts.probe}")
    reason = f"{need.facts.probe}: {probe.reason}"
    return FactsMissing(STATUS_OUTCOME[probe.status], reason)


def waive(finding: Finding, policy: Policy, today: date) -> Finding:
    """Turn a failure into a waived one, naming who accepted it and until when."""
    waiver = policy.waiver(finding.id, today) if finding.outcome is Outcome.FAIL else None
    if waiver is None:
        return finding
    evidence = {
        **finding.evidence,
        "waiver": {"reason": waiver.reason, "expires": waiver.expires.isoformat()},
    }
    return msgspec.structs.replace(finding, outcome=Outcome.WAIVED, evidence=evidence)


def engine_findings(record: Record, registry: Registry) -> Iterator[Finding]:
    """What the engine itself reports: a target that does not run, plugins that do not load, and
    its own failure."""
    known = record.probes.get(TargetFacts.probe)
    if known is not None and not record.interrupted:
        try:
            target = msgspec.convert(known.data, TargetFacts)
        except msgspec.ValidationError as error:
            yield _engine_error(
                TARGET_BROKEN,
                "What these facts say about the interpreter cannot be read",
                f"the facts of {TargetFacts.probe} are damaged: {error}",
                {},
            )
        else:
            if not target.runs and not record.failure:
                yield _broken_target(target)
    failures = {**record.plugin_failures, **registry.failures}
    if failures:
        names = ", ".join(sorted(failures))
        yield _engine_error(
            PLUGIN_FAILED,
            "A part of qvl-doctor or a plugin of it did not load",
            f"did not load, so what it checks was not checked: {names}",
            {"failures": dict(sorted(failures.items()))},
        )
    if record.failure:
        yield _engine_error(
            DOCTOR_FAILED,
            "The doctor itself failed before it was done",
            f"what was not done by then was not checked ({record.failure})",
            {"failure": record.failure},
        )


def _broken_target(target: TargetFacts) -> Finding:
    evidence = {"python": target.python, "version": target.version, "output": target.output}
    return Finding(
        id=TARGET_BROKEN,
        outcome=Outcome.FAIL,
        severity=Severity.WILL_NOT_START,
        confidence=Confidence.MEASURED,
        title="The interpreter cannot be examined",
        cause=target.reason,
        evidence={name: value for name, value in evidence.items() if value},
        fixes=(
            Fix.advise(
                "Name another interpreter, Python 3.9 or later, with --python, "
                "or make this environment anew."
            ),
        ),
    )


def _engine_error(rule_id: str, title: str, cause: str, evidence: dict[str, Any]) -> Finding:
    return Finding(
        id=rule_id,
        outcome=Outcome.ERROR,
        severity=Severity.HYGIENE,
        confidence=Confidence.MEASURED,
        title=title,
        cause=cause,
        evidence=evidence,
    )


def verdict(findings: Iterable[Finding], record: Record, policy: Policy) -> Verdict:
    """Problems if anything fails; ok only if something was checked and nothing is open."""
    findings = list(findings)
    if any(f.outcome is Outcome.FAIL and policy.fails(f.severity) for f in findings):
        return Verdict.PROBLEMS
    if record.interrupted or any(finding.outcome in UNSETTLED for finding in findings):
        return Verdict.INCOMPLETE
    if not any(finding.outcome.judged for finding in findings):
        return Verdict.INCOMPLETE
    return Verdict.OK


def causes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Failures that no other failure explains, worst first."""
    failures = [finding for finding in findings if finding.outcome is Outcome.FAIL]
    explained = {symptom for finding in failures for symptom in finding.explains}
    return tuple(finding.id for finding in failures if finding.id not in explained)


def exit_code(report: Report, policy: Policy) -> int:
    """The documented exit code of a run that produced a report.

    A run in which nothing at all was checked is never acceptable.
    """
    if report.facts.interrupted:
        return EXIT_INTERRUPTED
    if report.facts.failure:
        return EXIT_INTERNAL
    if report.verdict is Verdict.PROBLEMS:
        return EXIT_PROBLEMS
    checked = any(finding.outcome.judged for finding in report.findings)
    if report.verdict is Verdict.INCOMPLETE and not (policy.allow_unchecked and checked):
        return EXIT_INCOMPLETE
    return EXIT_OK


def _order(finding: Finding) -> tuple[int, int, int, str]:
    return (
        OUTCOME_ORDER.index(finding.outcome),
        finding.severity.rank,
        finding.confidence.rank,
        finding.id,
    )


def _finding(rule_id: str, judgement: Judgement, severity: Severity) -> Finding:
    fields: dict[str, Any] = msgspec.structs.asdict(judgement)
    return Finding(id=rule_id, severity=severity, **fields)


def _error(reason: str) -> Judgement:
    return Judgement(outcome=Outcome.ERROR, title="This check did not finish", cause=reason)
