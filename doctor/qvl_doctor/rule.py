"""Rule pages: the knowledge about one failure, as TOML front matter and Markdown."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from qvl_doctor.findings import Confidence, Severity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FENCE = "+++\n"
HEADING = re.compile(r'^(title|severity) = (".*")$', re.MULTILINE)
"""Basic TOML strings, which are JSON strings too."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The front matter of a page, and its text."""

    id: str
    title: str
    severity: Severity
    confidence: Confidence
    models: tuple[str, ...] = ()
    """The ``model_type`` values concerned; empty for any."""
    affected: tuple[str, ...] = ()
    """Requirement strings, such as ``transformers>=4.49,<4.54``."""
    fixed: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    verified_on: str = ""
    verified_with: str = ""
    body: str = ""


class RuleError(ValueError):
    """A page that cannot be read as a rule; the message names the page."""


class Heading(NamedTuple):
    """What judging needs of a rule."""

    title: str
    severity: Severity


def load_heading(page: Path) -> Heading:
    """Read a page's title and severity only; every judged check needs them, so this is quick.

    Raises:
        RuleError: the page is missing or does not say them.
    """
    front, _ = _parts(page)
    found = dict(HEADING.findall(front))
    try:
        return Heading(json.loads(found["title"]), Severity(json.loads(found["severity"])))
    except (KeyError, ValueError) as error:
        raise RuleError(f"{page}: no title or no valid severity: {error}") from error


def load_rule(page: Path) -> Rule:
    """Read a page.

    Raises:
        RuleError: the page is missing, has no front matter, or the front matter is not a rule.
    """
    front, body = _parts(page)
    try:
        fields = tomllib.loads(front)
        return msgspec.convert({**fields, "body": body.strip()}, Rule)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RuleError(f"{page}: {error}") from error


def _parts(page: Path) -> tuple[str, str]:
    """(front matter, body)."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleError(f"{page}: {error.strerror or error}") from error
    if not text.startswith(FENCE):
        raise RuleError(f"{page}: no front matter between +++ lines")
    front, fence, body = text[len(FENCE) :].partition("\n" + FENCE)
    if not fence:
        raise RuleError(f"{page}: the front matter does not end")
    return front, body
