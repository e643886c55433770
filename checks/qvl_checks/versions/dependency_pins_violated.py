"""Installed versions outside of what an installed package asks for."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.requirements import Violation, marker_environment, violations
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, passed

CORE = (
    "transformers",
    "tokenizers",
    "huggingface-hub",
    "accelerate",
    "safetensors",
    "torch",
    "torchvision",
    "peft",
    "qwen-vl-utils",
)
"""Whose requirements a Qwen-VL program cannot do without; others' conflicts are only named."""


@check("versions.dependency-pins-violated")
def dependency_pins_violated(packages: PackagesFacts, target: TargetFacts) -> Judgement:
    """Every described distribution's own requirements, against what is installed."""
    readable = _requirements(packages)
    if not readable:
        return blocked("no installed package states its requirements")
    found = _violated(packages, target)
    core = [violation for violation in found if violation.by in CORE]
    other = [violation for violation in found if violation.by not in CORE]
    evidence = {
        "examined": sorted(readable),
        "violated": [violation.sentence() for violation in core],
        "violated_elsewhere": [violation.sentence() for violation in other],
    }
    if not core:
        aside = f"; outside of it: {other[0].sentence()}" if other else ""
        return passed(
            "The versions that transformers, torch and their companions ask for are installed"
            + aside,
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    more = f" (and {len(core) - 1} more)" if len(core) > 1 else ""
    return failed(
        core[0].sentence() + more,
        "Another installation moved or left out a package that is needed in a certain range; "
        "transformers refuses such versions at import, others fail later.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[_fix(core, packages, target)],
        explains=("versions.transformers-import-failed",),
    )


def only_asked_by(name: str, packages: PackagesFacts, target: TargetFacts) -> bool:
    """Are there violations of what a Qwen-VL program needs, and all of what `name` asks for?"""
    askers = {violation.by for violation in _violated(packages, target) if violation.by in CORE}
    return askers == {name}


def _requirements(packages: PackagesFacts) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(copies[0].requires)
        for name, copies in packages.copies.items()
        if copies and copies[0].requires is not None
    }


def _violated(packages: PackagesFacts, target: TargetFacts) -> list[Violation]:
    environment = marker_environment(target)
    return [
        violation
        for name, lines in _requirements(packages).items()
        for violation in violations(name, lines, packages.installed, environment)
    ]


def _fix(core: list[Violation], packages: PackagesFacts, target: TargetFacts) -> Fix:
    """Let the resolver decide, with the packages that ask named at the version that they have."""
    askers = sorted({violation.by for violation in core})
    # Without its local label a version is met by the installed build and found on every index.
    pins = [f"{name}=={packages.installed[name].partition('+')[0]}" for name in askers]
    wanted = sorted({violation.requirement for violation in core})
    return Fix.run(
        *target.install(*pins, *wanted),
        summary="installs versions that all of these packages accept; what asks stays as it is",
    )
