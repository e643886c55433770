"""The Markdown report: always below the limit, never cut inside a block, nothing escapes."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from qvl_doctor.findings import Chart, Outcome, Series
from qvl_reports.budget import Block, Section, fit
from qvl_reports.markdown import render
from qvl_reports.markdown_text import code, fence, inline, prose

from . import sample
from .hostility import PAYLOADS, any_text, plain_words

LIMIT = 60_000
OURS = re.compile(r"<details><summary>[^<]*</summary>|</details>|<br>|<span>|</span>")
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parse(text: str) -> list[Token]:
    """Blocks and, flattened, what is in their lines."""
    return [one for token in GITHUB.parse(text) for one in (token, *(token.children or ()))]


def blocks(text: str) -> list[str]:
    """The types of the blocks, without what stands in the lines."""
    return [token.type for token in GITHUB.parse(text)]


def check(text: str) -> None:
    """No markup but ours, every section closed, no link, no image, no mention, no reference."""
    assert len(text.encode()) < LIMIT
    opened = 0
    for token in parse(text):
        assert token.type not in ("link_open", "image", "em_open", "s_open")
        if token.type in ("html_block", "html_inline"):
            assert OURS.sub("", token.content).strip() == "", token.content
            opened += token.content.count("<details>") - token.content.count("</details>")
            assert opened in (0, 1)
        if token.type == "text":
            assert not re.search(r"[@#]\w|https?://|www\.", token.content), token.content
    assert opened == 0


def test_order() -> None:
    text = render(sample.problems())
    order = [
        "# ✗ qvl-doctor: Problems",
        "## Causes and fixes",
        "attention.eager-precision-drift",
        'attn_implementation="sdpa"',
        "## Not checked, and why",
        "8 checks: `attention.flash-attn-wrong-results`",
        "## Other findings",
        "generation.endless-repetition",
        "## Waived",
        "6 checks passed",
        "9 checks not applicable",
        "## Environment",
        "NVIDIA GeForce RTX 4090",
    ]
    place = 0
    for one in order:
        place = text.index(one, place)
    assert "Cut to stay below" not in text
    check(text)


def test_what_is_cut_is_the_least_important_and_is_named() -> None:
    report = sample.large()
    text = render(report)
    assert LIMIT * 0.9 < len(text.encode()) < LIMIT
    note = text.rstrip().splitlines()[-1]
    assert re.search(r"Cut to stay below 60 000 bytes: \d+ findings, 200 evidence tables", note)
    for cause in report.causes[:5]:
        assert f"`{cause}`" in text
    assert text.startswith("# ✗ qvl-doctor: Problems")
    check(text)


def test_the_number_of_what_is_cut_is_right() -> None:
    report = sample.large()
    text = render(report)
    cut = re.search(r"(\d+) findings", text.rstrip().splitlines()[-1])
    assert cut is not None
    told = len(re.findall(r"^### ✗", text, re.MULTILINE))
    failed = sum(one.outcome is Outcome.FAIL for one in report.findings)
    assert told + int(cut[1]) == failed


@pytest.mark.parametrize("size", [1, 20, 90, 1000])
def test_always_below_the_limit(size: int) -> None:
    check(render(sample.large(size)))


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_hostile_text_stays_text(payload: str) -> None:
    check(render(sample.hostile(payload, 1.0)))


def test_a_title_that_alone_would_break_the_limit() -> None:
    first = msgspec.structs.replace(sample.failures()[0], title="@" * 90_000, cause="$" * 90_000)
    report = msgspec.structs.replace(sample.problems(), findings=(first,))
    check(render(report))


@settings(deadline=None, max_examples=50)
@given(plain_words)
def test_no_text_changes_the_structure_of_the_document(payload: str) -> None:
    assert blocks(render(sample.hostile(payload))) == blocks(render(sample.hostile("x")))


@settings(deadline=None, max_examples=50)
@given(any_text)
def test_any_text_stays_text(payload: str) -> None:
    check(render(sample.hostile(payload)))


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_fence_holds_what_it_was_given(payload: str) -> None:
    (token,) = GITHUB.parse(fence(payload, "sh"))
    assert token.type == "fence"
    assert token.info == "sh"


@settings(deadline=None)
@given(any_text)
def test_a_code_span_holds_one_line(text: str) -> None:
    tokens = [one.type for one in parse(code(text))]
    assert tokens in ([], ["paragraph_open", "inline", "code_inline", "paragraph_close"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("snake_case and 3.11.7", "snake_case and 3.11.7"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("@someone in #12", "@&#8203;someone in #&#8203;12"),
        ("a | b `c` <d>", "a \\| b \\`c\\` \\<d\\>"),
        ("see https://github.com/a/b/issues/1.", "see `https://github.com/a/b/issues/1`."),
    ],
)
def test_inline(text: str, expected: str) -> None:
    assert inline(text) == expected


def test_prose_keeps_paragraphs_and_line_breaks() -> None:
    assert prose("a\nb\n\n- c") == "a<br>\nb\n\n\\- c"


def test_a_block_goes_with_the_one_that_it_follows() -> None:
    main = Block(1, "m" * 400, "main")
    sections = [
        Section("# all", (Block(0, "h" * 50), main, Block(2, "follower", "follower", main)))
    ]
    text = fit(sections, 340, "cut: {cut}")
    assert "follower" not in text.splitlines()
    assert "mmm" not in text
    assert text.endswith("cut: 1 main, 1 follower\n")


def test_a_heading_without_anything_below_it_is_left_out() -> None:
    sections = [Section("# a", (Block(0, "x"),)), Section("# b", ())]
    assert fit(sections, 1000, "cut: {cut}") == "# a\n\nx\n"


def test_of_many_points_the_rows_are_spread_over_all() -> None:
    points = tuple((float(n), float(n)) for n in range(150))
    chart = Chart(kind="area", title="t", x="x", y="y", series=(Series(name="s", points=points),))
    finding = msgspec.structs.replace(sample.failures()[0], charts=(chart,))
    text = render(msgspec.structs.replace(sample.problems(), findings=(finding,)))
    rows = re.findall(r"^\| (\d+) \| \d+ \|$", text, re.MULTILINE)
    assert len(rows) == 50
    assert (rows[0], rows[-1]) == ("0", "149")
