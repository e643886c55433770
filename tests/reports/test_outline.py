"""The order in which a report is told."""

from __future__ import annotations

import msgspec
import pytest

from qvl_doctor.findings import Outcome, Severity, Unchecked
from qvl_doctor.report import Report, Verdict
from qvl_reports.outline import outline

from . import sample


def test_twenty_checks_behind_one_failed_import_are_one_group() -> None:
    told = outline(sample.problems())
    blocked = [group for group in told.open if group.outcome is Outcome.BLOCKED]
    assert len(blocked) == 1
    assert len(blocked[0].ids) == 8
    assert blocked[0].probes == ("attention.kernels", "attention.selected")
    assert blocked[0].reason.startswith("flash_attn cannot be imported")


def test_errors_come_first_and_then_the_reasons_that_stop_most_checks() -> None:
    reasons = [("a.one", "rare"), ("a.two", "common"), ("a.three", "common")]
    unchecked = [Unchecked(id=rule, outcome=Outcome.BLOCKED, reason=why) for rule, why in reasons]
    unchecked.append(Unchecked(id="a.four", outcome=Outcome.ERROR, reason="crash"))
    report = msgspec.structs.replace(sample.nothing_known(), unchecked=tuple(unchecked))
    assert [group.reason for group in outline(report).open] == ["crash", "common", "rare"]


def test_a_reason_that_merely_contains_a_colon_stays_whole() -> None:
    report = msgspec.structs.replace(
        sample.problems(),
        unchecked=(Unchecked(id="a.b", outcome=Outcome.BLOCKED, reason="no such probe: nothing"),),
    )
    assert "no such probe: nothing" in {group.reason for group in outline(report).open}


def test_what_does_not_apply_is_apart_from_open_questions() -> None:
    told = outline(sample.problems())
    assert {group.outcome for group in told.aside} == {Outcome.NOT_APPLICABLE}
    assert Outcome.NOT_APPLICABLE not in {group.outcome for group in told.open}
    assert (told.open_count, told.aside_count) == (10, 9)


def test_an_unjudged_finding_that_the_list_forgot_is_told_all_the_same() -> None:
    report = msgspec.structs.replace(sample.problems(), unchecked=())
    assert outline(report).open_count == 10


def test_causes_come_in_the_order_of_the_report_and_unknown_ids_are_ignored() -> None:
    report = msgspec.structs.replace(
        sample.problems(), causes=("gone.rule", "memory.device-0-out-of-memory")
    )
    assert [cause.id for cause in outline(report).causes] == ["memory.device-0-out-of-memory"]


def test_failures_are_sorted_by_severity_and_symptoms_name_their_cause() -> None:
    told = outline(sample.problems())
    assert [severity for severity, _ in told.failed] == [
        Severity.WRONG_ANSWERS,
        Severity.OUT_OF_MEMORY,
        Severity.HYGIENE,
    ]
    assert told.explained_by["generation.endless-repetition"] == (
        "attention.eager-precision-drift",
    )


def mild() -> Report:
    """Only a failure below the failing severity, and nothing open."""
    hygiene = sample.failures()[-1]
    return msgspec.structs.replace(sample.all_well(), findings=(hygiene, *sample.passes()))


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (
            sample.problems(),
            "4 checks failed, from 3 causes; the worst consequence is “wrong answers”; "
            "10 checks could not be made.",
        ),
        (sample.all_well(), "Nothing failed: 6 checks ran and found nothing wrong."),
        (mild(), "1 check failed, none of them as severe as 'slow'."),
        (
            sample.nothing_known(),
            "No check reached a verdict. The run was interrupted: this is what was known by then.",
        ),
        (
            msgspec.structs.replace(
                sample.problems(),
                verdict=Verdict.INCOMPLETE,
                causes=(),
                findings=(*sample.unjudged(), *sample.passes()),
            ),
            "Nothing that was checked failed; 10 checks could not be made.",
        ),
    ],
)
def test_the_verdict_in_one_sentence(report: Report, sentence: str) -> None:
    assert outline(report).sentence == sentence
