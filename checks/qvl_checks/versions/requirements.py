"""Evaluating what an installed distribution requires, for another interpreter than our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import msgspec
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from qvl_checks.versions.distributions import normalised
from qvl_doctor.facts import TargetFacts

PLATFORM_SYSTEM = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
OS_NAME = {"linux": "posix", "darwin": "posix", "win32": "nt"}
IMPLEMENTATION = {"CPython": "cpython", "PyPy": "pypy"}


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement that the installed versions do not meet."""

    by: str
    requirement: str
    needs: str
    """The distribution that it names."""
    found: str | None
    """Installed version; None: not installed."""

    def sentence(self) -> str:
        """``transformers needs tokenizers<0.22,>=0.21, found 0.22.0``."""
        found = f"found {self.found}" if self.found else "not installed"
        return f"{self.by} needs {self.requirement}, {found}"


def marker_environment(target: TargetFacts) -> dict[str, str]:
    """The values of environment markers in the examined interpreter."""
    own = {name: str(value) for name, value in default_environment().items()}
    return {
        **own,
        "python_version": ".".join(target.version.split(".")[:2]),
        "python_full_version": target.version,
        "implementation_name": IMPLEMENTATION.get(target.implementation, "cpython"),
        "platform_python_implementation": target.implementation or "CPython",
        "sys_platform": target.platform,
        "platform_system": PLATFORM_SYSTEM.get(target.platform, target.platform),
        "os_name": OS_NAME.get(target.platform, "posix"),
        "platform_machine": target.machine,
        "extra": "",
    }


@cache
def parsed(line: str) -> Requirement:
    """The requirement of a line; several checks read the lines of the same distributions.

    Raises:
        InvalidRequirement: it is none.
    """
    return Requirement(line)


def required(lines: Iterable[str], environment: Mapping[str, str]) -> Iterator[Requirement]:
    """The requirements that hold in this environment; those of extras are left out."""
    for line in lines:
        try:
            requirement = parsed(line)
            holds = requirement.marker is None or requirement.marker.evaluate(dict(environment))
        except (InvalidRequirement, InvalidVersion, UndefinedComparison, UndefinedEnvironmentName):
            continue  # an old package with a line outside the standard binds nobody
        if holds:
            yield requirement


def violations(
    by: str,
    lines: Iterable[str],
    installed: Mapping[str, str],
    environment: Mapping[str, str],
) -> Iterator[Violation]:
    """The requirements of ``by`` that the installed versions do not meet."""
    for requirement in required(lines, environment):
        name = normalised(requirement.name)
        found = installed.get(name)
        if found is None:
            met = False
        else:
            try:
                met = requirement.specifier.contains(Version(found), prereleases=True)
            except InvalidVersion:
                continue
        if not met:
            asked = f"{requirement.name}{requirement.specifier}"
            yield Violation(by=by, requirement=asked, needs=name, found=found)


def floor_of_extra(lines: Iterable[str], name: str) -> Requirement | None:
    """What a distribution asks of ``name`` in any of its extras (transformers' torch floor)."""
    for line in lines:
        try:
            requirement = parsed(line)
        except InvalidRequirement:
            continue
        if normalised(requirement.name) == name and requirement.specifier:
            return requirement
    return None
