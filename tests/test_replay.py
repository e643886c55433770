"""Facts of real machines, judged again: the verdicts that were right there stay what they were."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qvl_doctor.facts import load_record
from qvl_doctor.findings import Outcome
from qvl_doctor.judge import judge
from qvl_doctor.policy import Policy
from qvl_doctor.registry import Registry
from qvl_doctor.report import Report, encode_report

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FACTS = Path(__file__).with_name("facts")
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((FACTS / "expected.toml").read_text())


def judged(name: str) -> Report:
    return judge(load_record(FACTS / f"{name}.json"), Registry(), Policy())


def test_every_record_has_its_expectation() -> None:
    assert {path.stem for path in FACTS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_real_record_is_judged_as_it_was(name: str) -> None:
    report = judged(name)
    expected = EXPECTED[name]
    assert report.verdict.value == expected["verdict"]
    assert list(report.causes) == expected["causes"]
    outcomes = {finding.id: finding for finding in report.findings}
    for rule_id, outcome in expected.get("outcomes", {}).items():
        assert outcomes[rule_id].outcome.value == outcome, outcomes[rule_id].cause
    for rule_id, words in expected.get("says", {}).items():
        assert all(word in str(outcomes[rule_id]) for word in words), outcomes[rule_id]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_check_stumbles_over_a_real_record(name: str) -> None:
    stumbled = [
        (finding.id, finding.cause)
        for finding in judged(name).findings
        if finding.outcome is Outcome.ERROR
    ]
    assert stumbled == EXPECTED[name].get("errors", [])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_judging_is_the_same_every_time(name: str) -> None:
    assert encode_report(judged(name)) == encode_report(judged(name))
