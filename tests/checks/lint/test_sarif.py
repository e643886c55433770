"""SARIF 2.1.0: the structure that the standard requires, and columns in UTF-16 code units."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from packaging.version import Version

from qvl_checks.lint import sarif
from qvl_checks.lint.flow.module import LINES
from qvl_checks.lint.project import lint_paths
from qvl_checks.lint.release import Release
from qvl_checks.lint.rules import registry
from qvl_checks.lint.source import decode

from .snippets import HEAD

RELEASE = Release(Version("5.0.0"), "given with --transformers")


def log_of(path: Path) -> dict[str, Any]:
    def lines_of(file: str) -> list[str]:
        return LINES.split(decode(Path(file).read_bytes()))

    text = sarif.render(lint_paths([path], RELEASE.version), RELEASE, lines_of)
    log: dict[str, Any] = json.loads(text)
    check_structure(log)
    return log


def check_structure(log: dict[str, Any]) -> None:
    """What the schema of SARIF 2.1.0 requires of the parts that are used here."""
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) == {
        "tool",
        "originalUriBaseIds",
        "columnKind",
        "newlineSequences",
        "results",
        "properties",
    }
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    driver = run["tool"]["driver"]
    assert isinstance(driver["name"], str) and driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert set(rule) <= {
            "id",
            "name",
            "shortDescription",
            "fullDescription",
            "help",
            "helpUri",
        }
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        assert urlsplit(rule["helpUri"]).scheme == "https"
    prints = [tuple(result["partialFingerprints"].items()) for result in run["results"]]
    assert len(set(prints)) == len(prints)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        for location in result["locations"]:
            physical = location["physicalLocation"]
            check_place(physical["artifactLocation"], run["originalUriBaseIds"])
            check_region(physical.get("region", {"startLine": 1, "startColumn": 1}))
        for fix in result.get("fixes", []):
            assert fix["description"]["text"]
            assert fix["artifactChanges"]
            for change in fix["artifactChanges"]:
                check_place(change["artifactLocation"], run["originalUriBaseIds"])
                assert change["replacements"]
                for replacement in change["replacements"]:
                    check_region(replacement["deletedRegion"])
                    assert isinstance(replacement["insertedContent"]["text"], str)


def check_place(place: dict[str, str], bases: dict[str, Any]) -> None:
    """RFC 3986: no character that must be escaped; a relative URI says what it is relative to."""
    uri = place["uri"]
    assert re.fullmatch(r"(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+", uri, re.ASCII), uri
    if urlsplit(uri).scheme:
        assert set(place) == {"uri"} and uri.startswith("file:///")
    else:
        assert place["uriBaseId"] in bases and not uri.startswith("/")


def check_region(region: dict[str, int]) -> None:
    assert all(isinstance(value, int) and value >= 1 for value in region.values())
    start = (region["startLine"], region["startColumn"])
    assert start <= (
        region.get("endLine", start[0]),
        region.get("endColumn", start[1]),
    )


def replaced(text: str, log: dict[str, Any]) -> str:
    """The text with the first fix made as SARIF describes it: UTF-16 columns, from 1."""
    lines = text.split("\n")
    (change,) = log["runs"][0]["results"][0]["fixes"][0]["artifactChanges"]
    for replacement in change["replacements"]:
        region = replacement["deletedRegion"]
        assert region["startLine"] == region["endLine"]
        units = lines[region["startLine"] - 1].encode("utf-16-le")
        start, end = (2 * (region[key] - 1) for key in ("startColumn", "endColumn"))
        inserted = replacement["insertedContent"]["text"].encode("utf-16-le")
        changed = units[:start] + inserted + units[end:]
        lines[region["startLine"] - 1] = changed.decode("utf-16-le")
    return "\n".join(lines)


def test_columns_behind_text_outside_ascii_and_the_bmp(tmp_path: Path) -> None:
    path = tmp_path / "mit Leerzeichen.py"
    text = HEAD + "n = '中文 é 😀😀'; m = L25(Q25, torch_dtype='auto')  # 😀\n"
    path.write_text(text, encoding="utf-8")
    log = log_of(path)
    (result,) = log["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    before = text.split("\n")[-2].partition("torch_dtype")[0]
    assert region["startColumn"] == len(before.encode("utf-16-le")) // 2 + 1 == len(before) + 3
    assert replaced(text, log) == text.replace("torch_dtype", "dtype")


def test_other_encodings_and_a_byte_order_mark(tmp_path: Path) -> None:
    for encoding, cookie in (("latin-1", "# coding: latin-1\n"), ("utf-8-sig", "")):
        path = tmp_path / f"{encoding}.py"
        text = cookie + HEAD + "n = 'é'; m = L25(Q25, torch_dtype='auto')\n"
        path.write_bytes(text.encode(encoding))
        assert replaced(text, log_of(path)) == text.replace("torch_dtype", "dtype")


def test_a_notebook_has_no_lines_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    code = HEAD + "m = L25(Q25, torch_dtype='auto')"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": code}], "nbformat": 4}))
    (result,) = log_of(path)["runs"][0]["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["message"]["text"].startswith("Cell 1, line 9: ")
    assert "fixes" not in result


def test_braces_are_no_placeholders(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        HEAD + "m = L25(Q25, dtype='auto', device_map='cuda:0', attn_implementation="
        "'flash_attention_3')\n"
    )
    texts = [result["message"]["text"] for result in log_of(path)["runs"][0]["results"]]
    assert any("{{" in text and "}}" in text for text in texts)


def test_the_release_is_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("qwen = 1\n")
    properties = log_of(tmp_path)["runs"][0]["properties"]
    assert properties["transformers"] == {
        "version": "5.0.0",
        "because": "given with --transformers",
    }


def test_relative_places_are_escaped_and_say_to_what_they_are_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("ordner 1", "c:ä#%20.py")
    path.parent.mkdir()
    path.write_text(HEAD + "m = L25(Q25, torch_dtype='auto')\n")
    log = log_of(path)
    (result,) = log["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert unquote(place["uri"]) == path.as_posix() and place["uriBaseId"] == "%SRCROOT%"
    assert str(tmp_path) not in json.dumps(log)


def test_fingerprints_survive_lines_that_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    two = "m = L25(Q25, torch_dtype='auto')\nn = L25(Q25, torch_dtype='auto')\n" * 2

    def prints(text: str) -> list[dict[str, str]]:
        path.write_text(text)
        return [result["partialFingerprints"] for result in log_of(path)["runs"][0]["results"]]

    assert prints(HEAD + two) == prints(HEAD + "# one more line\n\n" + two)
    assert len(prints(HEAD + two)) == 4


def test_every_rule_has_a_page_to_point_to() -> None:
    described = [sarif._rule(rule_id) for rule_id in registry()]
    assert all(set(rule) >= {"fullDescription", "help", "helpUri"} for rule in described)
