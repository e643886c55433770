"""The installed flash-attn is older than this transformers asks for."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.attention.flash_attn_wheels import installing
from qvl_checks.attention.flash_attn_wish import NO_WISH, wished_generation
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FLOORS = (
    (Version("5.4"), Version("2.3.3")),
    (Version("4.0"), Version("2.1.0")),
)
"""From which transformers on, the oldest flash-attn that it takes (CUDA), newest first; read in
the releases (``is_flash_attn_2_available``)."""
DETERMINISTIC = Version("2.4.1")
"""The first flash-attn whose functions take ``deterministic``."""


@check("attention.flash-attn-too-old")
def flash_attn_too_old(
    packages: PackagesFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    torch: TorchFacts | None,
) -> Judgement:
    """Version in the metadata against the floor of the installed transformers."""
    if wished_generation(workload) != 2:
        return not_applicable(NO_WISH + " 2" if workload.attention else NO_WISH)
    flash, transformers = packages.version("flash-attn"), packages.version("transformers")
    if flash is None:
        return not_applicable("flash-attn is not installed")
    if transformers is None:
        return blocked("transformers is not installed, so nothing asks for a version")
    floor = next((floor for since, floor in FLOORS if transformers >= since), DETERMINISTIC)
    evidence = {
        "flash_attn": str(flash),
        "transformers": str(transformers),
        "required": str(floor),
        "deterministic_since": str(DETERMINISTIC),
    }
    if flash >= max(floor, DETERMINISTIC):
        return passed(f"flash-attn {flash} is new enough", evidence=evidence)
    refused = flash < floor
    return failed(
        f"flash-attn {flash} is older than {floor if refused else DETERMINISTIC}",
        f"transformers {transformers} does not accept it."
        if refused
        else "Its functions do not know the argument `deterministic`, which frameworks pass.",
        evidence=evidence,
        fixes=installing(target, torch),
    )
