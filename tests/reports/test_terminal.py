"""The terminal's summary."""

from __future__ import annotations

import re
import shlex
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qvl_doctor.findings import Finding, Fix
from qvl_reports.terminal import render
from qvl_reports.wrap import columns, wrap

from . import sample
from .hostility import PAYLOADS, any_text

VERBATIM = " " * 8


def test_verdict_first_then_causes_with_fixes_then_what_was_not_checked() -> None:
    text = render(sample.problems(), width=80)
    order = [
        "✗ PROBLEMS",
        "CAUSES AND FIXES",
        " 1. Eager attention changes",
        'attn_implementation="sdpa",',
        "verified here: the same inputs",
        " 2. Device 0 runs out of memory",
        " 3. transformers 4.49.0",
        "NOT CHECKED, AND WHY",
        "flash_attn cannot be imported",
        "8 checks: attention.flash-attn-wrong-results",
        "✗ 4 failed · ? 10 not checked · ✓ 6 passed · ~ 1 waived · – 9 not applicable",
    ]
    place = 0
    for one in order:
        place = text.index(one, place)


def test_at_most_five_causes_and_the_number_of_the_rest() -> None:
    text = render(sample.large(30), width=80)
    assert " 5. " in text
    assert " 6. " not in text
    assert "and 15 more in the report" in text


def test_good_and_interrupted_runs() -> None:
    assert "✓ OK" in render(sample.all_well(), width=80)
    assert "interrupted" in render(sample.nothing_known(), width=80)


@pytest.mark.parametrize("width", [40, 80, 100])
def test_lines_fit_the_width_except_what_is_to_be_copied(width: int) -> None:
    for line in render(sample.problems(), width=width).splitlines():
        assert columns(line) <= width or line.startswith(VERBATIM), line


def test_a_long_command_goes_on_over_lines_that_a_shell_joins() -> None:
    argv = ("/opt/a b/python", "-m", "pip", "install", *(f"package-{n}>=1" for n in range(12)))
    finding = failing(Fix.run(*argv, summary="Install them."))
    text = render(finding, width=60)
    block = re.search(r"( {8}'/opt/a b/python'.*?)\n {6}\(", text, re.DOTALL)
    assert block is not None
    lines = [line.strip() for line in block[1].splitlines()]
    assert len(lines) > 2
    assert all(line.endswith(" \\") for line in lines[:-1])
    joined = " ".join(line.removesuffix(" \\") for line in lines)
    assert tuple(shlex.split(joined)) == argv


def test_colour_only_when_asked_and_never_alone() -> None:
    report = sample.problems()
    plain, coloured = render(report, width=80), render(report, width=80, color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain != coloured


def failing(fix: Fix) -> object:
    """The bad day with this fix for its first cause."""
    report = sample.problems()
    first = report.findings[0]
    changed: Finding = msgspec.structs.replace(first, fixes=(fix,))
    return msgspec.structs.replace(report, findings=(changed, *report.findings[1:]))


def hidden(text: str) -> set[str]:
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")} - {
        "\n",
        "\t",
    }


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_hostile_text_never_reaches_the_terminal_raw(payload: str) -> None:
    text = render(sample.hostile(payload, 1.0), width=80)
    assert not hidden(text)
    assert "\u202e" not in text
    if payload.startswith("["):
        assert payload in text, "square brackets are not markup"


@settings(deadline=None, max_examples=100)
@given(any_text, st.integers(1, 200))
def test_any_text_at_any_width(payload: str, width: int) -> None:
    text = render(sample.hostile(payload), width=width)
    assert not hidden(text)
    text.encode()


@settings(deadline=None)
@given(st.text(max_size=80), st.integers(2, 40))
def test_wrapping_loses_nothing_and_fits(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(columns(line) <= width for line in lines)


def test_chinese_wraps_between_characters() -> None:
    assert wrap("注意力分数在之前", 8) == ["注意力分", "数在之前"]
