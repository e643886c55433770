"""Rule pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from qvl_doctor.findings import Severity
from qvl_doctor.rule import Heading, RuleError, load_heading, load_rule

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


def test_the_heading_is_what_the_whole_page_says(tmp_path: Path) -> None:
    page = tmp_path / "b.md"
    page.write_text(GOOD.replace('"T"', '"A \\"quoted\\" é title"'))
    rule = load_rule(page)
    assert load_heading(page) == Heading(rule.title, rule.severity)


@pytest.mark.parametrize("missing", ['title = "T"\n', 'severity = "slow"\n'])
def test_a_page_without_a_heading_names_itself(tmp_path: Path, missing: str) -> None:
    page = tmp_path / "b.md"
    page.write_text(GOOD.replace(missing, ""))
    with pytest.raises(RuleError, match=r"b\.md"):
        load_heading(page)
