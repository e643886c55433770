"""Findings as SARIF 2.1.0."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qvl_doctor import __version__
from qvl_doctor.rule import RuleError, load_rule

from .finding import Edit, LintFinding
from .release import Release
from .rules import registry

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {"error": "error", "warning": "warning", "info": "note", "hint": "note"}
ROOT = "%SRCROOT%"
"""What relative places are relative to: the folder in which the linter ran, which is not told."""
ORIGINAL_BASES = {ROOT: {"description": {"text": "The folder in which qvl-doctor ran."}}}
FINGERPRINT = "qvlDoctorLine/v1"
PAGES = Path(__file__).parent.parent
LinesOf = Callable[[str], list[str]]
"""The lines of a file, without what ends them; raises OSError or ValueError if it has none."""


def render(findings: list[LintFinding], release: Release, lines_of: LinesOf) -> str:
    """One run with the rules that fired and a result per finding."""
    used = sorted({finding.id for finding in findings})
    driver = {
        "name": "qvl-doctor lint",
        "version": __version__,
        "rules": [_rule(rule_id) for rule_id in used],
    }
    places = _Places(lines_of)
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": ORIGINAL_BASES,
        "columnKind": "utf16CodeUnits",
        "newlineSequences": ["\r\n", "\n", "\r"],
        "results": [
            _result(finding, used.index(finding.id), places)
            | {"partialFingerprints": {FINGERPRINT: _fingerprint(finding, places, seen)}}
            for finding in findings
        ],
        "properties": {
            "transformers": {"version": str(release.version), "because": release.because}
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


class _Places:
    """Columns in UTF-16 code units, from 1, as SARIF counts them."""

    def __init__(self, lines_of: LinesOf) -> None:
        self._lines_of = lines_of
        self._known: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str:
        if file not in self._known:
            try:
                self._known[file] = self._lines_of(file)
            except (OSError, ValueError):
                # It was removed or cannot be decoded: then no line is known, and none is shown.
                self._known[file] = []
        lines = self._known[file]
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def after_characters(self, file: str, line: int, count: int) -> int:
        """The column behind the first `count` characters of a line."""
        return units(self.line(file, line)[:count]) + 1

    def after_bytes(self, file: str, line: int, count: int) -> int:
        """The column behind the first `count` bytes (in UTF-8) of a line."""
        return units(self.line(file, line).encode()[:count].decode(errors="ignore")) + 1


def units(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _rule(rule_id: str) -> dict[str, Any]:
    rules = registry()
    summary = (
        rules[rule_id][0].summary if rule_id in rules else "The file was not analysed to its end."
    )
    described: dict[str, Any] = {
        "id": rule_id,
        "name": rule_id.rpartition(".")[2],
        "shortDescription": {"text": _plain(summary)},
    }
    topic, _, slug = rule_id.replace("-", "_").partition(".")
    try:
        page = load_rule(PAGES / topic / f"{slug}.md")
    except RuleError:  # what is not about a model has no page
        return described
    described["fullDescription"] = {"text": _plain(page.title)}
    described["help"] = {
        "text": f"qvl-doctor explain {rule_id}",
        # Viewers show code in it as it stands: placeholders are for messages of results.
        "markdown": f"{page.body}\n",
    }
    if page.evidence:
        described["helpUri"] = page.evidence[0]
    return described


def _fingerprint(finding: LintFinding, places: _Places, seen: Counter[str]) -> str:
    """What stays the same for a finding while lines above it come and go: the rule, the file, the
    text of the line, and which of several such lines it is.
    """
    line = "" if finding.cell else places.line(finding.file, finding.line).strip()
    where = f"cell {finding.cell}, {finding.line}" if finding.cell else line
    text = "\0".join((finding.id, Path(finding.file).as_posix(), where))
    seen[text] += 1
    return hashlib.sha256(f"{text}\0{seen[text]}".encode(errors="replace")).hexdigest()[:32]


def _result(finding: LintFinding, index: int, places: _Places) -> dict[str, Any]:
    text = finding.message if finding.fix is None else f"{finding.message} {finding.fix.text}"
    physical: dict[str, Any] = {"artifactLocation": _place(finding.file)}
    if finding.cell is None:
        column = places.after_characters(finding.file, finding.line, finding.column - 1)
        physical["region"] = {"startLine": finding.line, "startColumn": column}
    else:
        # A notebook is JSON: lines of its cells are no lines of the file.
        text = f"Cell {finding.cell}, line {finding.line}: {text}"
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": index,
        "level": LEVELS[finding.level],
        "message": {"text": _plain(text)},
        "locations": [{"physicalLocation": physical}],
    }
    if finding.fix is not None and finding.fix.edits and finding.cell is None:
        result["fixes"] = [_fix(finding, finding.fix.text, finding.fix.edits, places)]
    return result


def _fix(
    finding: LintFinding, text: str, edits: tuple[Edit, ...], places: _Places
) -> dict[str, Any]:
    replacements = [
        {
            "deletedRegion": {
                "startLine": edit.line,
                "startColumn": places.after_bytes(finding.file, edit.line, edit.column),
                "endLine": edit.end_line,
                "endColumn": places.after_bytes(finding.file, edit.end_line, edit.end_column),
            },
            "insertedContent": {"text": edit.replacement},
        }
        for edit in edits
    ]
    change = {"artifactLocation": _place(finding.file), "replacements": replacements}
    return {"description": {"text": _plain(text)}, "artifactChanges": [change]}


def _plain(text: str) -> str:
    """The text with its braces doubled, or SARIF would read them as placeholders (§3.11.5)."""
    return text.replace("{", "{{").replace("}", "}}")


def _place(path: str) -> dict[str, str]:
    """A file as an absolute URI, or as a relative one and what it is relative to."""
    place = Path(path)
    if place.is_absolute():
        return {"uri": place.as_uri()}
    return {"uri": quote(place.as_posix()), "uriBaseId": ROOT}
