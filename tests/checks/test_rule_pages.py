"""Every rule page keeps the promises that readers and renderers rely on."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKS = Path(__file__).parents[2] / "checks" / "qvl_checks"
PAGES = sorted(CHECKS.glob("*/*.md"))

SECTIONS = ["What happens", "Why", "How it is detected", "Fix and its safety", "Evidence"]
SEVERITIES = {"wrong-answers", "will-not-start", "out-of-memory", "slow", "hygiene"}
CONFIDENCES = {"measured", "derived", "reported", "heuristic"}
STRINGS = ("id", "title", "severity", "confidence", "verified_on", "verified_with")
LISTS = ("models", "affected", "fixed", "evidence")

# Absolute paths that any machine has, or that stand for the reader; others are a private disk.
PUBLIC_ROOTS = {
    "sys",
    "proc",
    "etc",
    "dev",
    "usr",
    "lib",
    "lib64",
    "opt",
    "var",
    "tmp",
    "path",
    "data",
}
ABSOLUTE_PATH = re.compile(r"(?<![\w./:~)\]>…-])/([A-Za-z][\w.-]*)/([\w.-]+)")


def front_matter_and_body(page: Path) -> tuple[dict[str, Any], str]:
    before, header, body = page.read_text(encoding="utf-8").split("+++\n", 2)
    assert before == "", "the page must begin with its front matter"
    return tomllib.loads(header), body


def sections(body: str) -> dict[str, str]:
    """Text under each level-2 heading; headings inside fenced code are not headings."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    fenced = False
    for line in body.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if not fenced and line.startswith("## "):
            title = line.removeprefix("## ").strip()
            assert title not in found, f"heading {title!r} stands twice"
            current = found.setdefault(title, [])
        elif current is not None:
            current.append(line)
        else:
            assert not line.strip(), "text before the first heading"
    assert not fenced, "a code fence is never closed"
    return {title: "\n".join(lines).strip() for title, lines in found.items()}


def private_paths(text: str) -> list[str]:
    return [
        match.group(0)
        for match in ABSOLUTE_PATH.finditer(text)
        if match.group(1) not in PUBLIC_ROOTS and match.group(0) != "/home/user"
    ]


every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[f"{p.parent.name}/{p.stem}" for p in PAGES]
)


def test_pages_were_found() -> None:
    assert PAGES, f"no rule page below {CHECKS}"


def test_ids_are_unique() -> None:
    ids = Counter(front_matter_and_body(page)[0]["id"] for page in PAGES)
    assert [name for name, count in ids.items() if count > 1] == []


@every_page
def test_front_matter_is_complete_and_typed(page: Path) -> None:
    meta, _ = front_matter_and_body(page)
    assert set(meta) == {*STRINGS, *LISTS}
    for key in STRINGS:
        assert isinstance(meta[key], str), key
        assert meta[key].strip(), key
    for key in LISTS:
        assert isinstance(meta[key], list), key
        assert all(isinstance(item, str) for item in meta[key]), key
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", meta["verified_on"])


@every_page
def test_id_names_the_file(page: Path) -> None:
    meta, _ = front_matter_and_body(page)
    topic, _, slug = meta["id"].partition(".")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", topic)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert (topic.replace("-", "_"), slug.replace("-", "_")) == (page.parent.name, page.stem)


@every_page
def test_severity_and_confidence_are_known(page: Path) -> None:
    meta, _ = front_matter_and_body(page)
    assert meta["severity"] in SEVERITIES
    assert meta["confidence"] in CONFIDENCES


@every_page
def test_title_is_one_short_statement(page: Path) -> None:
    title = front_matter_and_body(page)[0]["title"]
    assert len(title) <= 80
    assert not title.endswith(".")
    assert "\n" not in title


@every_page
def test_sections_are_exact_and_filled(page: Path) -> None:
    found = sections(front_matter_and_body(page)[1])
    assert list(found) == SECTIONS
    assert [title for title, text in found.items() if not text] == []


@every_page
def test_requirements_parse(page: Path) -> None:
    meta, _ = front_matter_and_body(page)
    for text in (*meta["affected"], *meta["fixed"]):
        assert Requirement(text).specifier, f"{text!r} names no version range"


@every_page
def test_evidence_is_linked(page: Path) -> None:
    evidence = front_matter_and_body(page)[0]["evidence"]
    assert evidence, "a rule without evidence is an opinion"
    assert len(set(evidence)) == len(evidence)
    for url in evidence:
        assert re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/\S*)?", url), url


@every_page
def test_cross_references_lead_somewhere(page: Path) -> None:
    known = {front_matter_and_body(other)[0]["id"] for other in PAGES}
    topics = {name.partition(".")[0] for name in known}
    body = front_matter_and_body(page)[1]
    named = {
        name
        for name in re.findall(r"`([a-z]+(?:-[a-z]+)*\.[a-z0-9]+(?:-[a-z0-9]+)+)`", body)
        if name.partition(".")[0] in topics
    }
    assert named <= known, f"no page for {sorted(named - known)}"


@every_page
def test_python_fixes_parse(page: Path) -> None:
    body = front_matter_and_body(page)[1]
    for code in re.findall(r"^```python\n(.*?)^```", body, flags=re.MULTILINE | re.DOTALL):
        ast.parse(code)


@every_page
def test_names_no_private_path(page: Path) -> None:
    assert private_paths(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ["see `/srv/alice/model`", "(/home/bob/.cache)", "/mnt/data/x"])
def test_private_paths_are_recognised(text: str) -> None:
    assert private_paths(text)


@pytest.mark.parametrize(
    "text", ["/home/user/venv", "`/sys/class/iommu`", "https://a.org/x/y", "a/b/c", "and/or/not"]
)
def test_public_paths_are_let_through(text: str) -> None:
    assert private_paths(text) == []
