"""Policy files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from qvl_doctor.errors import UsageError
from qvl_doctor.findings import Severity
from qvl_doctor.policy import load_policy

GOOD = """
fail_on = "wrong-answers"
allow_unchecked = true

[[waivers]]
id = "versions.*"
reason = "frozen image until the next release"
expires = 2027-01-31
"""


def test_a_policy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    policy = load_policy(path)
    assert policy.fail_on is Severity.WRONG_ANSWERS
    assert policy.fails(Severity.WRONG_ANSWERS) and not policy.fails(Severity.SLOW)
    assert policy.waiver("versions.torch-too-old", date(2027, 1, 31)) is not None
    assert policy.waiver("versions.torch-too-old", date(2027, 2, 1)) is None
    assert policy.waiver("memory.anything", date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        'fail_on = "everything"',
        "unknown = 1",
        '[[waivers]]\nid = "a.b"',
        '[[waivers]]\nid = "a.b"\nreason = "x"\nexpires = "someday"',
        "not toml",
        "\x00",
    ],
)
def test_a_wrong_policy_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"policy\.toml is not valid"):
        load_policy(path)


def test_a_missing_policy_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_policy(tmp_path / "none.toml")
