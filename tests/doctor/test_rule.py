"""Rule pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from qvl_doctor.findings import Severity
from qvl_doctor.rule import RuleError, load_rule

GOOD = '+++\nid = "a.b"\ntitle = "T"\nseverity = "slow"\nconfidence = "derived"\n+++\n## Why\n\nx\n'


def test_a_page_is_read(tmp_path: Path) -> None:
    page = tmp_path / "b.md"
    page.write_text(GOOD)
    rule = load_rule(page)
    assert (rule.id, rule.severity, rule.body) == ("a.b", Severity.SLOW, "## Why\n\nx")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "## Why",
        GOOD.replace("+++\n## Why", "## Why"),
        GOOD.replace('"slow"', '"terrible"'),
        GOOD.replace('id = "a.b"\n', ""),
        GOOD.replace('"T"', "T"),
    ],
)
def test_a_wrong_page_names_itself(tmp_path: Path, text: str) -> None:
    page = tmp_path / "b.md"
    page.write_text(text)
    with pytest.raises(RuleError, match=r"b\.md"):
        load_rule(page)


def test_a_missing_page_names_itself(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"none\.md"):
        load_rule(tmp_path / "none.md")
