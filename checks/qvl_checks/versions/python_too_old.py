"""The interpreter is too old for the transformers that the model needs."""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.releases import first_release, python_for
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, blocked, failed, passed


@check("versions.python-too-old")
def python_too_old(
    target: TargetFacts, model: ModelFacts, packages: PackagesFacts | None
) -> Judgement:
    """Python against the model's first release, and against what is installed."""
    try:
        python = Version(target.version)
    except InvalidVersion:
        return blocked(f"the version of {target.python} is not known")
    evidence: dict[str, str | None] = {"python": target.version, "model_type": model.model_type}
    since = first_release(model.model_type)
    if since is not None:
        floor = python_for(since)
        evidence |= {"first_release": since, "python_for_it": floor}
        if python < Version(floor):
            return failed(
                f"Python {python} cannot have a transformers that knows {model.family}",
                f"The family came with transformers {since}, which needs Python {floor}: "
                "pip offers only older releases here.",
                evidence=evidence,
                fixes=[_new_environment(floor)],
                explains=(
                    "versions.model-class-missing",
                    "versions.unknown-model-type",
                    "engine.target-does-not-run",
                ),
            )
    transformers = packages.first("transformers") if packages else None
    asked = transformers.requires_python if transformers else None
    if transformers is not None and asked:
        evidence |= {"transformers": transformers.version, "requires_python": asked}
        try:
            fits = SpecifierSet(asked).contains(python, prereleases=True)
        except InvalidSpecifier:
            fits = True
        if not fits:
            return failed(
                f"transformers {transformers.version} asks for Python {asked}, this is {python}",
                "It was installed past that requirement; its sources use what this Python "
                "cannot read.",
                evidence=evidence,
                fixes=[_new_environment(python_for(transformers.version or "5.0.0"))],
                explains=("versions.transformers-import-failed",),
            )
    return passed(f"Python {python} is new enough for {model.name}", evidence=evidence)


def _new_environment(floor: str) -> Fix:
    return Fix.advise(
        f"Make a new environment with Python {floor} or later (for example "
        "`uv venv --python 3.12`) and install torch, torchvision and transformers there."
    )
