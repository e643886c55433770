"""Judging: outcomes from facts, verdicts from outcomes, and never green by default."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from qvl_doctor.check import Check, check
from qvl_doctor.errors import (
    EXIT_INCOMPLETE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROBLEMS,
)
from qvl_doctor.facts import FACTS_SCHEMA, ProbeRecord, ProbeStatus, Record
from qvl_doctor.findings import Outcome, Severity
from qvl_doctor.judge import exit_code, judge
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed
from qvl_doctor.policy import Policy, Waiver
from qvl_doctor.probe import Facts, Level
from qvl_doctor.registry import Registry
from qvl_doctor.report import Verdict, encode_report

PAGE = """+++
id = "{id}"
title = "A rule"
severity = "{severity}"
confidence = "measured"
+++
## What happens
"""


class FanFacts(Facts):
    """Facts of a probe that exists only here."""

    probe: ClassVar[str] = "test.fan"
    speed: int = 0


class OtherFacts(Facts):
    """More of them."""

    probe: ClassVar[str] = "test.other"
    name: str = ""


def make_check(tmp_path: Path, rule_id: str, function: Any, severity: str = "slow") -> Check:
    made = check(rule_id)(function)
    module_file = tmp_path / (rule_id + ".py")
    module_file.with_suffix(".md").write_text(PAGE.format(id=rule_id, severity=severity))
    return Check(id=rule_id, judge=made.judge, needs=made.needs, module_file=module_file)


def registry_of(*checks: Check) -> Registry:
    registry = Registry()
    registry.__dict__["checks"] = {item.id: item for item in checks}
    return registry


def record_of(interrupted: bool = False, **probes: ProbeRecord) -> Record:
    return Record(
        schema=FACTS_SCHEMA,
        doctor="0",
        recorded_at="2026-11-21T00:00:00Z",
        level=Level.QUICK,
        interrupted=interrupted,
        probes={name.replace("_", "."): probe for name, probe in probes.items()},
    )


OK_FAN = ProbeRecord(status=ProbeStatus.OK, data={"speed": 7, "unknown": "newer field"})


def passes(fan: FanFacts) -> Judgement:
    return passed("turns", evidence={"speed": fan.speed})


def fails(fan: FanFacts) -> Judgement:
    return failed("stuck", "dust")


def raises(fan: FanFacts) -> Judgement:
    raise ZeroDivisionError("a bug")


def test_a_check_sees_the_facts_that_it_declared(tmp_path: Path) -> None:
    report = judge(
        record_of(test_fan=OK_FAN), registry_of(make_check(tmp_path, "t.a", passes)), Policy()
    )
    assert report.findings[0].evidence == {"speed": 7}
    assert report.verdict is Verdict.OK
    assert exit_code(report, Policy()) == EXIT_OK


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (ProbeStatus.RAISED, Outcome.ERROR),
        (ProbeStatus.CRASHED, Outcome.ERROR),
        (ProbeStatus.TIMED_OUT, Outcome.ERROR),
        (ProbeStatus.BLOCKED, Outcome.BLOCKED),
        (ProbeStatus.INTERRUPTED, Outcome.BLOCKED),
        (ProbeStatus.NOT_RUN, Outcome.NOT_APPLICABLE),
    ],
)
def test_a_failed_probe_makes_its_check_unchecked_never_green(
    tmp_path: Path, status: ProbeStatus, outcome: Outcome
) -> None:
    record = record_of(test_fan=ProbeRecord(status=status, reason="the reason"))
    report = judge(record, registry_of(make_check(tmp_path, "t.a", passes)), Policy())
    assert [(item.outcome, "the reason" in item.reason) for item in report.unchecked] == [
        (outcome, True)
    ]
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report, Policy()) == EXIT_INCOMPLETE


def test_facts_that_were_never_recorded_block(tmp_path: Path) -> None:
    report = judge(record_of(), registry_of(make_check(tmp_path, "t.a", passes)), Policy())
    assert report.findings[0].outcome is Outcome.BLOCKED


def test_facts_of_the_wrong_shape_are_an_error(tmp_path: Path) -> None:
    record = record_of(test_fan=ProbeRecord(status=ProbeStatus.OK, data={"speed": "fast"}))
    report = judge(record, registry_of(make_check(tmp_path, "t.a", passes)), Policy())
    assert report.findings[0].outcome is Outcome.ERROR


def test_optional_facts_may_be_missing(tmp_path: Path) -> None:
    def lenient(fan: FanFacts, other: OtherFacts | None) -> Judgement:
        return passed("fine" if other is None else other.name)

    made = make_check(tmp_path, "t.a", lenient)
    assert (
        judge(record_of(test_fan=OK_FAN), registry_of(made), Policy()).findings[0].title == "fine"
    )


def test_a_parameter_without_a_facts_type_is_refused() -> None:
    def wrong(fan: int) -> Judgement:
        return passed("")

    with pytest.raises(TypeError, match="fan"):
        check("t.a")(wrong)


def test_a_bug_in_a_check_costs_only_that_check(tmp_path: Path) -> None:
    report = judge(
        record_of(test_fan=OK_FAN),
        registry_of(make_check(tmp_path, "t.a", raises), make_check(tmp_path, "t.b", passes)),
        Policy(),
    )
    assert {finding.id: finding.outcome for finding in report.findings} == {
        "t.a": Outcome.ERROR,
        "t.b": Outcome.PASS,
    }
    assert report.verdict is Verdict.INCOMPLETE


def test_no_check_at_all_is_not_ok() -> None:
    report = judge(record_of(), registry_of(), Policy())
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report, Policy(allow_unchecked=True)) == EXIT_INCOMPLETE


def test_a_pass_without_facts_is_none(tmp_path: Path) -> None:
    def careless(fan: FanFacts | None, other: OtherFacts | None) -> Judgement:
        return passed("fine")

    registry = registry_of(make_check(tmp_path, "t.a", careless))
    assert judge(record_of(), registry, Policy()).findings[0].outcome is Outcome.ERROR
    assert judge(record_of(test_fan=OK_FAN), registry, Policy()).verdict is Verdict.OK


@pytest.mark.parametrize("returned", [None, True, passed("x", evidence={"object": object()})])
def test_what_is_no_judgement_is_the_checks_error(tmp_path: Path, returned: Any) -> None:
    def odd(fan: FanFacts) -> Any:
        return returned

    registry = registry_of(make_check(tmp_path, "t.a", odd))
    report = judge(record_of(test_fan=OK_FAN), registry, Policy())
    assert report.findings[0].outcome is Outcome.ERROR
    encode_report(report)


def test_a_check_that_leaves_the_program_is_an_error(tmp_path: Path) -> None:
    def leaves(fan: FanFacts) -> Judgement:
        raise SystemExit(0)

    registry = registry_of(make_check(tmp_path, "t.a", leaves))
    report = judge(record_of(test_fan=OK_FAN), registry, Policy())
    assert report.findings[0].outcome is Outcome.ERROR


@pytest.mark.parametrize("data", [None, [], {"python": 3}, {}])
def test_damaged_facts_about_the_target_are_an_error(tmp_path: Path, data: Any) -> None:
    record = record_of(test_fan=OK_FAN, engine_target=ProbeRecord(status=ProbeStatus.OK, data=data))
    report = judge(record, registry_of(make_check(tmp_path, "t.a", passes)), Policy())
    assert report.findings[0].id == "engine.target-does-not-run"
    assert report.verdict is Verdict.INCOMPLETE
    encode_report(report)


def test_a_failure_of_the_doctor_itself_is_told_and_never_green(tmp_path: Path) -> None:
    record = msgspec.structs.replace(record_of(test_fan=OK_FAN), failure="RuntimeError: threads")
    report = judge(record, registry_of(make_check(tmp_path, "t.a", passes)), Policy())
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report, Policy(allow_unchecked=True)) == EXIT_INTERNAL
    assert "RuntimeError: threads" in report.findings[0].cause


def test_only_not_applicable_is_not_ok(tmp_path: Path) -> None:
    made = make_check(tmp_path, "t.a", lambda: not_applicable("no fan"))
    assert judge(record_of(), registry_of(made), Policy()).verdict is Verdict.INCOMPLETE


def test_inconclusive_is_incomplete(tmp_path: Path) -> None:
    made = make_check(tmp_path, "t.a", lambda: inconclusive("who knows"))
    other = make_check(tmp_path, "t.b", passes)
    report = judge(record_of(test_fan=OK_FAN), registry_of(made, other), Policy())
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report, Policy(allow_unchecked=True)) == EXIT_OK


def test_a_failure_below_the_failing_severity_is_listed_and_does_not_fail(tmp_path: Path) -> None:
    made = make_check(tmp_path, "t.a", fails, severity="hygiene")
    record = record_of(test_fan=OK_FAN)
    assert judge(record, registry_of(made), Policy()).verdict is not Verdict.PROBLEMS
    strict = Policy(fail_on=Severity.HYGIENE)
    report = judge(record, registry_of(made), strict)
    assert exit_code(report, strict) == EXIT_PROBLEMS


def test_a_waiver_counts_until_its_day(tmp_path: Path) -> None:
    made = make_check(tmp_path, "t.a", fails)
    for expires, expected in ((date(2026, 11, 21), "waived"), (date(2026, 11, 20), "fail")):
        waiver = Waiver(id="t.*", reason="known", expires=expires)
        report = judge(record_of(test_fan=OK_FAN), registry_of(made), Policy(waivers=(waiver,)))
        assert report.findings[0].outcome.value == expected


def test_an_explained_failure_is_not_a_cause(tmp_path: Path) -> None:
    def root(fan: FanFacts) -> Judgement:
        return failed("root", "why", explains=["t.symptom"])

    report = judge(
        record_of(test_fan=OK_FAN),
        registry_of(make_check(tmp_path, "t.root", root), make_check(tmp_path, "t.symptom", fails)),
        Policy(),
    )
    assert report.causes == ("t.root",)


def test_worse_severities_come_first(tmp_path: Path) -> None:
    report = judge(
        record_of(test_fan=OK_FAN),
        registry_of(
            make_check(tmp_path, "t.a", fails, "slow"),
            make_check(tmp_path, "t.b", fails, "wrong-answers"),
        ),
        Policy(),
    )
    assert report.causes == ("t.b", "t.a")


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    report = judge(
        record_of(interrupted=True, test_fan=OK_FAN),
        registry_of(make_check(tmp_path, "t.a", passes)),
        Policy(),
    )
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report, Policy()) == EXIT_INTERRUPTED


def test_left_out_checks_are_named(tmp_path: Path) -> None:
    record = Record(
        schema=FACTS_SCHEMA,
        doctor="0",
        recorded_at="2026-11-21T00:00:00Z",
        level=Level.QUICK,
        skip=("t.b",),
        probes={"test.fan": OK_FAN},
    )
    report = judge(
        record,
        registry_of(make_check(tmp_path, "t.a", passes), make_check(tmp_path, "t.b", passes)),
        Policy(),
    )
    assert [item.id for item in report.unchecked] == ["t.b"]
    assert [finding.id for finding in report.findings] == ["t.a"]


def test_judging_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    record = record_of(test_fan=OK_FAN)
    registry = registry_of(make_check(tmp_path, "t.a", fails), make_check(tmp_path, "t.b", passes))
    assert encode_report(judge(record, registry, Policy())) == encode_report(
        judge(record, registry, Policy())
    )


def test_a_check_without_a_readable_page_is_an_error(tmp_path: Path) -> None:
    made = make_check(tmp_path, "t.a", passes)
    made.page.unlink()
    report = judge(record_of(test_fan=OK_FAN), registry_of(made), Policy())
    assert report.findings[0].outcome in (Outcome.ERROR,)
    assert report.verdict is Verdict.INCOMPLETE
