"""torch below the floor of the installed transformers."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.requirements import floor_of_extra
from qvl_checks.versions.torch_builds import index_arguments
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed


@check("versions.torch-too-old")
def torch_too_old(packages: PackagesFacts, target: TargetFacts) -> Judgement:
    """The version of torch against what transformers' own metadata asks for."""
    transformers = packages.first("transformers")
    if transformers is None:
        return blocked("transformers is not installed, so nothing asks for a torch version")
    torch = packages.version("torch")
    if torch is None:
        return blocked("torch is not installed, or its version cannot be read")
    floor = floor_of_extra(transformers.requires or (), "torch")
    if floor is None:
        return inconclusive("the metadata of transformers states no torch version")
    evidence = {
        "torch": str(torch),
        "transformers": transformers.version,
        "required": str(floor.specifier),
    }
    if floor.specifier.contains(torch.base_version):
        return passed(
            f"torch {torch} is what transformers {transformers.version} asks for "
            f"({floor.specifier})",
            evidence=evidence,
        )
    return failed(
        f"torch {torch} does not meet {floor.specifier}, which transformers "
        f"{transformers.version} asks for",
        "transformers then hides its models, or its import fails on something that this torch "
        "does not have yet.",
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install(
                    "--upgrade",
                    f"torch{floor.specifier}",
                    "torchvision",
                    *index_arguments(str(torch)),
                ),
                summary="upgrades torch with torchvision; compiled packages must follow",
            )
        ],
        explains=("versions.transformers-import-failed",),
    )
