"""Releases that are known to be wrong, as data with provenance."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.version import Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.facts import ModelFacts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).with_name("known_ranges.toml")


class KnownRange(msgspec.Struct, frozen=True, kw_only=True):
    """One defect and the releases that have it."""

    rule: str
    affected: str
    """A requirement string: ``transformers>=4.54,<4.57``."""
    models: tuple[str, ...]
    """The ``model_type`` values that it concerns."""
    defect: str
    condition: str
    """What must be used for it to show."""
    fixed: str
    """A release to move to, free of every defect of the same rule."""
    shows_in: tuple[str, ...] = ()
    """Runs of `attention.behaviour` in which it shows; a load that meets the first has the
    condition."""
    evidence: tuple[str, ...]
    verified_on: str
    verified_with: str

    def contains(self, version: Version) -> bool:
        """Whether this release has the defect; development versions count as their release."""
        return Requirement(self.affected).specifier.contains(version.base_version)


@cache
def known_ranges() -> tuple[KnownRange, ...]:
    """All rows, checked on loading."""
    rows = tomllib.loads(DATA.read_text(encoding="utf-8"))["range"]
    return msgspec.convert(rows, tuple[KnownRange, ...])


def ranges_of(rule: str, model: ModelFacts) -> tuple[KnownRange, ...]:
    """The rows of a rule that concern this model."""
    return tuple(
        row for row in known_ranges() if row.rule == rule and model.model_type in row.models
    )


def hit(rule: str, model: ModelFacts, packages: PackagesFacts) -> tuple[KnownRange, ...]:
    """The rows of a rule that apply to this model and the installed transformers."""
    version = packages.version("transformers")
    if version is None:
        return ()
    return tuple(row for row in ranges_of(rule, model) if row.contains(version))
