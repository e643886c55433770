"""The HTML report as a file: its order, its escaping, its policy, and the way back to the data."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from qvl_doctor.embedded import EMBEDDED as EMBEDDED_BYTES
from qvl_doctor.embedded import json_inside
from qvl_doctor.errors import UsageError
from qvl_doctor.report import Report, load_report
from qvl_reports.html import TEMPLATES, render
from qvl_reports.markup import anchor
from qvl_reports.visible import HIDDEN, visible

from . import sample
from .hostility import PAYLOADS, any_text, plain_words

EMBEDDED = re.compile(EMBEDDED_BYTES.pattern.decode(), re.DOTALL)
VOID = {"meta", "link"}
TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "script"),
    *("header", "nav", "main", "section", "article", "h1", "h2", "h3", "h4"),
    *("a", "p", "span", "div", "dl", "dt", "dd", "ol", "ul", "li", "pre", "code"),
    *("details", "summary", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption"),
    *("svg", "desc", "g", "path", "circle", "polygon", "rect", "text", "tspan"),
}


class Page(HTMLParser):
    """Tags, ids, links and text of a page; fails on a tag that does not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.names.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


def without_drawings(text: str) -> list[str]:
    """The tags of a page, but not the inside of charts, which depends on the length of labels."""
    return Page(re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)).tags


def test_verdict_then_causes_then_unchecked_then_findings_then_the_rest() -> None:
    words = Page(render(sample.problems())).words
    order = [
        "qvl-doctor report",
        "Problems",
        "4 checks failed, from 3 causes",
        "Causes and their fixes",
        'attn_implementation="sdpa"',
        "verified here: the same inputs",
        "Not checked, and why",
        "8 checks attention.flash-attn-wrong-results",
        "9 checks do not apply here",
        "Findings by severity",
        "wrong answers 2",
        "out of memory 1",
        "6.18 GiB (6,635,520,000 bytes)",
        "hygiene 1",
        "Waived",
        "6 checks found nothing wrong",
        "Environment",
        "NVIDIA GeForce RTX 4090",
        "qvl-doctor judge report.html",
    ]
    place = 0
    for one in order:
        place = words.index(one, place)


def test_every_rule_has_its_place_and_every_link_arrives() -> None:
    report = sample.problems()
    page = Page(render(report))
    ids = Counter(page.ids)
    assert [one for one, times in ids.items() if times > 1] == []
    assert {item.id for item in (*report.findings, *report.unchecked)} <= set(ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)
    assert {link for link in page.links if not link.startswith("#")} == {"data:,"}


def test_a_finding_shows_outcome_severity_confidence_proof_and_relations() -> None:
    text = render(sample.problems())
    start = text.index('<article id="attention.eager-precision-drift">')
    words = Page(text[start : text.index("</article>", start) + len("</article>")]).words
    for expected in (
        "✗ failed",
        "wrong answers",
        "measured here",
        "Explains generation.endless-repetition",
        "safe ✓ verified here: the same inputs",
        "review before applying not verified here",
        "0.4127",
        "Numbers of this chart",
    ):
        assert expected in words, expected
    assert "A symptom of attention.eager-precision-drift" in Page(text).words


def test_more_than_five_causes_are_counted() -> None:
    words = Page(render(sample.large(30))).words
    assert "And 15 more causes among the findings." in words


@pytest.mark.parametrize("make", [sample.all_well, sample.nothing_known])
def test_reports_without_problems_have_no_empty_sections(make: object) -> None:
    page = Page(render(make()))
    assert "causes" not in page.ids
    assert "findings" not in page.ids
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    text = render(sample.problems())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{name} &#39;sha256-{digest}&#39;" in policy[1]
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy[1]
    assert 'style="' not in text
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample.problems()) == render(sample.problems())


@pytest.mark.parametrize("make", [sample.problems, sample.all_well, sample.nothing_known])
def test_round_trip(make: Callable[[], Report], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(make()), encoding="utf-8")
    assert load_report(path) == make()


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_round_trip_of_hostile_text(payload: str) -> None:
    text = render(sample.hostile(payload, 1.0))
    block = EMBEDDED.search(text)
    assert block is not None
    assert "<" not in block[1]
    data = msgspec.json.decode(json_inside(text.encode()))
    assert data["findings"][0]["cause"] == re.sub(
        "[\ud800-\udfff]", lambda one: f"\\u{ord(one[0]):04x}", payload
    )


@pytest.mark.parametrize(
    "text",
    ["", "<html></html>", '<script type="application/json" id="qvl-doctor-report">{</script>'],
)
def test_reading_back_says_what_is_wrong(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(text)
    with pytest.raises(UsageError, match="not JSON"):
        load_report(path)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_hostile_text_stays_text(payload: str) -> None:
    text = render(sample.hostile(payload, 1.0))
    page = Page(text)
    assert set(page.tags) <= TAGS
    assert page.tags.count("script") == 2
    assert not {name for name in page.names if name.startswith("on")}
    assert {link for link in page.links if not link.startswith("#")} == {"data:,"}
    outside = EMBEDDED.sub("", text)
    assert not HIDDEN.search(outside)
    if len(payload) < 1000:
        assert " ".join(visible(payload).split()) in page.words


@settings(deadline=None, max_examples=25)
@given(plain_words)
def test_no_text_changes_the_structure_of_the_page(payload: str) -> None:
    assert without_drawings(render(sample.hostile(payload))) == without_drawings(
        render(sample.hostile("x"))
    )


@settings(deadline=None, max_examples=25)
@given(any_text)
def test_any_text_gives_a_well_formed_page(payload: str) -> None:
    page = Page(render(sample.hostile(payload)))
    assert set(page.tags) <= TAGS


def test_anchors() -> None:
    assert anchor("topic.some-slug") == "topic.some-slug"
    assert anchor("main").startswith("id-")
    assert anchor('a" onclick="x') != anchor("a onclickx")
    assert re.fullmatch(r"[\w-]+", anchor('ü."<>'))


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    if len(color) == 4:
        color = "#" + "".join(one * 2 for one in color[1:])
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_colour_of_text_has_enough_contrast_in_charts_too(scheme: str) -> None:
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(roots) == 3
    block = dict(zip(["light", "dark", "print"], roots, strict=True))[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
    words = [name for name in colors if name not in ("paper", "panel", "line")]
    assert len(words) == 12
    for name in words:
        for ground in ("paper", "panel"):
            assert contrast(colors[name], colors[ground]) >= 4.5, (scheme, name, ground)
