"""Findings as SARIF 2.1.0."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from .finding import LintFinding
from .project import SYNTAX
from .rules import registry

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {"error": "error", "warning": "warning", "info": "note", "hint": "note"}


def render(findings: list[LintFinding]) -> str:
    """One run with the rules that fired and a result per finding."""
    used = sorted({finding.id for finding in findings})
    run = {
        "tool": {
            "driver": {"name": "qvl-doctor lint", "rules": [_rule(rule_id) for rule_id in used]}
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, used.index(finding.id)) for finding in findings],
    }
    return (
        json.dumps(
            {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False
        )
        + "\n"
    )


def _rule(rule_id: str) -> dict[str, Any]:
    rules = registry()
    summary = rules[rule_id][0].summary if rule_id in rules else "The file could not be analysed."
    return {
        "id": rule_id,
        "name": rule_id.rpartition(".")[2],
        "shortDescription": {"text": summary},
    }


def _result(finding: LintFinding, index: int) -> dict[str, Any]:
    text = finding.message if finding.fix is None else f"{finding.message} {finding.fix.text}"
    if finding.cell is not None:
        text = f"Cell {finding.cell}: {text}"
    location = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(finding.file)},
            "region": {"startLine": finding.line, "startColumn": finding.column},
        }
    }
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": index,
        "level": LEVELS[finding.level],
        "message": {"text": text},
        "locations": [location],
    }
    if (
        finding.fix is not None
        and finding.fix.edits
        and finding.cell is None
        and finding.id != SYNTAX
    ):
        result["fixes"] = [_fix(finding)]
    return result


def _fix(finding: LintFinding) -> dict[str, Any]:
    edits = finding.fix.edits if finding.fix else ()
    replacements = [
        {
            "deletedRegion": {
                "startLine": edit.line,
                "startColumn": edit.column + 1,
                "endLine": edit.end_line,
                "endColumn": edit.end_column + 1,
            },
            "insertedContent": {"text": edit.replacement},
        }
        for edit in edits
    ]
    text = finding.fix.text if finding.fix else ""
    return {
        "description": {"text": text},
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(finding.file)}, "replacements": replacements}
        ],
    }


def _uri(path: str) -> str:
    return quote(PurePath(path).as_posix())
