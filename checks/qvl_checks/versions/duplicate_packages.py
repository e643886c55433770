"""More than one installed copy of a package."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import Copy, PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, passed


@check("versions.duplicate-packages")
def duplicate_packages(packages: PackagesFacts, target: TargetFacts) -> Judgement:
    """Each described distribution must be on ``sys.path`` once."""
    if not packages.copies:
        return blocked("none of the packages that a Qwen-VL program runs on is installed")
    double = {name: copies for name, copies in packages.copies.items() if len(copies) > 1}
    if not double:
        return passed(
            f"Each of the {len(packages.copies)} relevant packages is installed once",
            confidence=Confidence.MEASURED,
            evidence={"packages": sorted(packages.copies)},
        )
    differing = sorted(
        name for name, copies in double.items() if len({copy.version for copy in copies}) > 1
    )
    name = differing[0] if differing else sorted(double)[0]
    versions = " and ".join(copy.version or "unknown" for copy in double[name])
    return failed(
        f"{name} is installed {len(double[name])} times: {versions}",
        f"Python takes the first copy on sys.path ({double[name][0].location}); tools that read "
        "metadata may describe another one.",
        confidence=Confidence.MEASURED,
        evidence={
            "copies": {
                name: [_row(copy) for copy in copies] for name, copies in sorted(double.items())
            },
            "versions_differ": differing,
        },
        fixes=_fixes(name, double[name], target),
    )


def _row(copy: Copy) -> dict[str, str | None]:
    return {
        "version": copy.version,
        "location": copy.location,
        "metadata": copy.metadata,
        "found_through": copy.found_through,
    }


def _fixes(name: str, copies: tuple[Copy, ...], target: TargetFacts) -> list[Fix]:
    doors = {copy.found_through for copy in copies}
    if "PYTHONPATH" in doors:
        return [
            Fix.advise(
                "Run `unset PYTHONPATH` before starting Python: it brings the other copy.",
                safety=Safety.REVIEW,
            )
        ]
    if "user site" in doors:
        return [
            Fix.environment(
                "PYTHONNOUSERSITE=1", summary="keeps packages of the user site out of this run"
            )
        ]
    return [
        Fix.run(
            *target.install("--force-reinstall", "--no-deps", f"{name}=={copies[0].version}"),
            summary="reinstalls the copy that wins; if both remain, uninstall until none is left",
        )
    ]
