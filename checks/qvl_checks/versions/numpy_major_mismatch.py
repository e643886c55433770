"""versions.numpy-major-mismatch: does an installed package exclude the NumPy that is there?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.requirements import marker_environment, violations
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

SECOND = Version("2.0.0.dev0")
MEASURED_ELSEWHERE = "versions.numpy-abi-mismatch"


@check("versions.numpy-major-mismatch")
def numpy_major_mismatch(
    packages: PackagesFacts, target: TargetFacts, torch: TorchFacts | None
) -> Judgement:
    """NumPy 2 beside packages whose requirements exclude it; silent where more is measured."""
    numpy = packages.version("numpy")
    if numpy is None:
        return not_applicable("numpy is not installed")
    if torch is not None and torch.version and torch.numpy_bridge is None:
        return not_applicable(
            f"torch and NumPy do not work together; {MEASURED_ELSEWHERE} says why"
        )
    evidence: dict[str, Any] = {"numpy": str(numpy)}
    if numpy < SECOND:
        return passed(f"NumPy {numpy} is of the first series", evidence=evidence)
    environment = marker_environment(target)
    excluded = [
        violation.sentence()
        for name, copies in sorted(packages.copies.items())
        if copies and copies[0].requires
        for violation in violations(name, copies[0].requires, packages.installed, environment)
        if violation.needs == "numpy"
    ]
    evidence["excluded_by"] = excluded
    if not excluded:
        return passed(
            f"No package that was read excludes NumPy {numpy}",
            confidence=Confidence.DERIVED,
            evidence=evidence,
        )
    return failed(
        f"NumPy {numpy} is there, but {excluded[0]}",
        "A package built for another NumPy fails at import or when arrays are converted. That it "
        "would turn answers into NaN is told, not shown.",
        confidence=Confidence.HEURISTIC,
        evidence=evidence,
        fixes=[
            Fix.advise(
                "If nothing fails, do nothing. If an import fails, upgrade the package that prints "
                "the warning."
            ),
            Fix.run(
                *target.install("numpy<2"),
                summary="goes back to NumPy 1; run pip check afterwards",
            ),
        ],
    )
