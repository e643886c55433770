"""Which checks a run is about: ``--only`` and ``--skip`` patterns, and the probes they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from qvl_doctor.check import Check
from qvl_doctor.errors import UsageError


def matches(rule_id: str, pattern: str) -> bool:
    """``attention`` (a topic), ``memory.*`` (a pattern) or a whole id."""
    return fnmatchcase(rule_id, pattern) or rule_id.startswith(pattern + ".")


def selected(rule_id: str, only: Iterable[str], skip: Iterable[str]) -> bool:
    """Whether a check is part of the run."""
    only = tuple(only)
    if only and not any(matches(rule_id, pattern) for pattern in only):
        return False
    return not any(matches(rule_id, pattern) for pattern in skip)


def require_known(patterns: Iterable[str], checks: Mapping[str, Check], option: str) -> None:
    """Refuse a pattern that selects nothing: it is a typing mistake.

    Raises:
        UsageError: naming the pattern and the topics that exist.
    """
    for pattern in patterns:
        if not any(matches(rule_id, pattern) for rule_id in checks):
            topics = ", ".join(sorted({rule_id.partition(".")[0] for rule_id in checks}))
            raise UsageError(
                f"{option} {pattern}: no check matches; topics are {topics} "
                "('qvl-doctor list' shows every id)"
            )


def probes_for(checks: Iterable[Check]) -> set[str]:
    """Ids of the probes whose facts these checks declare (the engine's own facts aside)."""
    return {need.facts.probe for check in checks for need in check.needs}
