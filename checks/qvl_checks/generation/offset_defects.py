"""Releases that use a stored position offset for the wrong prompt, as data with provenance."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).with_name("offset_defects.toml")


class OffsetDefect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which an old offset reaches a new prompt."""

    affected: str
    """A requirement string: ``transformers>=5.2,<5.4``."""
    models: tuple[str, ...]
    ordinary: bool
    """Several calls in one process are enough."""
    call: str
    effect: str
    fixed: str
    evidence: tuple[str, ...]

    def concerns(self, version: Version, model_type: str) -> bool:
        """Whether this release has it for this family; snapshots count as their release."""
        affected = Requirement(self.affected).specifier
        return model_type in self.models and affected.contains(version.base_version)


@cache
def offset_defects() -> tuple[OffsetDefect, ...]:
    """All rows, checked on loading."""
    rows = tomllib.loads(DATA.read_text(encoding="utf-8"))["defect"]
    return msgspec.convert(rows, tuple[OffsetDefect, ...])
