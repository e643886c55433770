"""``--check``: what the machine says about a diagnosis."""

from __future__ import annotations

import json
import venv
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from qvl_checks.triage.advice import ADVICE
from qvl_checks.triage.examination import Examined, verdict
from qvl_checks.triage.model import Diagnosis, Triage, Verdict
from qvl_checks.triage.related import Related, related, table
from qvl_doctor.cli.main import group
from qvl_doctor.errors import UsageError
from qvl_doctor.findings import Confidence, Finding, Outcome, Severity
from qvl_doctor.registry import Registry

ERROR = "ImportError: cannot import name 'Qwen3VLForConditionalGeneration' from 'transformers'\n"


def triage(*arguments: str, text: str = ERROR) -> Result:
    return CliRunner().invoke(group, ["triage", *arguments], input=text, standalone_mode=False)


@pytest.fixture(scope="module")
def old_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose transformers is older than Qwen3-VL and has no such class."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    module = packages / "transformers"
    (module / "models").mkdir(parents=True)
    (module / "__init__.py").write_text('__version__ = "4.40.0"\n')
    (module / "models" / "__init__.py").write_text("")
    metadata = packages / "transformers-4.40.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        dedent("""\
            Metadata-Version: 2.1
            Name: transformers
            Version: 4.40.0
            """)
    )
    return folder / "bin" / "python"


def finding(rule_id: str, outcome: Outcome) -> Finding:
    return Finding(
        id=rule_id,
        outcome=outcome,
        severity=Severity.WILL_NOT_START,
        confidence=Confidence.MEASURED,
        title=f"title of {rule_id}",
        cause="because",
        evidence={},
    )


def judged(row: Related, **outcomes: Outcome) -> Verdict:
    return verdict("own", row, {name: finding(name, o) for name, o in outcomes.items()})


def test_its_own_check_confirms_or_refutes() -> None:
    assert judged(Related(), own=Outcome.FAIL).status == "confirmed"
    refuted = judged(Related(), own=Outcome.PASS)
    assert (refuted.status, refuted.check, refuted.title) == ("refuted", "own", "title of own")


def test_a_related_failure_confirms_but_a_related_pass_does_not_refute() -> None:
    row = Related(confirmed_by=("other",))
    confirmed = judged(row, own=Outcome.PASS, other=Outcome.FAIL)
    assert (confirmed.status, confirmed.check) == ("confirmed", "other")
    assert judged(row, own=Outcome.BLOCKED, other=Outcome.PASS).status == "not-checkable"
    assert judged(row, other=Outcome.PASS).status == "not-checkable"


def test_a_pass_that_settles_nothing_refutes_nothing() -> None:
    assert judged(Related(pass_settles=False), own=Outcome.PASS).status == "not-checkable"
    assert judged(Related(pass_settles=False), own=Outcome.FAIL).status == "confirmed"


@pytest.mark.parametrize(
    "outcome", [Outcome.BLOCKED, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.NOT_APPLICABLE]
)
def test_an_unjudged_check_leaves_it_open(outcome: Outcome) -> None:
    assert judged(Related(), own=outcome).status == "not-checkable"


def test_without_a_check_it_says_what_to_do_instead() -> None:
    open_ = judged(Related(elsewhere="Look there."))
    assert (open_.status, open_.reason, open_.check) == ("not-checkable", "Look there.", None)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("refuted", "confirmed"), 1),
        (("refuted", "refuted"), 0),
        (("refuted", "not-checkable"), 4),
        ((), 4),
    ],
)
def test_exit_code(statuses: tuple[str, ...], code: int) -> None:
    diagnoses = tuple(
        Diagnosis("x.y", "derived", (), {}, "", (), verdict=Verdict(status, "", ""))  # type: ignore[arg-type]
        for status in statuses
    )
    assert Examined(Triage(bool(diagnoses), diagnoses), "python", "", False).exit_code == code


def test_the_table_names_only_what_exists() -> None:
    checks = Registry().checks
    assert set(table()) - set(ADVICE) == set()
    assert {c for row in table().values() for c in row.confirmed_by} - set(checks) == set()
    silent = {id_ for id_ in ADVICE if id_ not in checks and not related(id_).confirmed_by}
    assert {id_ for id_ in silent & set(table()) if related(id_) == Related()} == set()


def test_an_old_environment_confirms_a_missing_class(old_environment: Path) -> None:
    result = triage("--check", "--json", "--python", str(old_environment))
    assert result.exception is None
    answer = json.loads(result.stdout)
    best = answer["diagnoses"][0]
    assert best["id"] == "versions.model-class-missing"
    assert best["verdict"]["status"] == "confirmed"
    assert best["verdict"]["check"] == "versions.model-class-missing"
    assert "4.40.0" in best["verdict"]["title"] + best["verdict"]["reason"]
    assert result.return_value == 1


def test_the_environments_versions_enter_the_advice(old_environment: Path) -> None:
    result = triage("--check", "--python", str(old_environment))
    assert "4.40.0" in result.stdout
    assert "Confirmed here by versions.model-class-missing" in result.stdout


def test_an_interpreter_that_is_none_is_one_sentence() -> None:
    result = triage("--check", "--python", "/no/such/python")
    assert isinstance(result.exception, UsageError)
    assert "no such file" in str(result.exception)


def test_an_unknown_model_is_one_sentence() -> None:
    result = triage("--check", "--model", "no-such-model")
    assert isinstance(result.exception, UsageError)
    assert "no-such-model" in str(result.exception)


@pytest.mark.parametrize("option", ["--python", "--model"])
def test_options_of_the_examination_need_it(option: str) -> None:
    result = triage(option, "x")
    assert isinstance(result.exception, UsageError)
    assert "--check" in str(result.exception)


def test_nothing_recognised_leaves_nothing_to_check(old_environment: Path) -> None:
    result = triage("--check", "--python", str(old_environment), text="KeyError: 'prompt'\n")
    assert result.return_value == 4
    assert "Not recognised" in result.stdout
