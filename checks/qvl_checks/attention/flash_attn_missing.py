"""The workload asks for flash-attention, and it is not installed."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wheels import installing
from qvl_checks.attention.flash_attn_wish import (
    DISTRIBUTIONS,
    MODULES,
    NO_WISH,
    wished_generation,
)
from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed


@check("attention.flash-attn-missing")
def flash_attn_missing(
    packages: PackagesFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    torch: TorchFacts | None,
    selection: SelectionFacts | None,
) -> Judgement:
    """The wished generation's distribution and module, as transformers looks for them."""
    generation = wished_generation(workload)
    if generation is None:
        return not_applicable(NO_WISH)
    distribution, module = DISTRIBUTIONS[generation], MODULES[generation]
    row = selection.for_wish(workload.attention) if selection else None
    evidence = {
        "wish": workload.attention,
        "distribution": distribution,
        "installed": packages.installed.get(distribution),
        "others": [name for name in DISTRIBUTIONS.values() if name in packages.installed],
        "transformers_says": row.error if row else None,
    }
    if distribution in packages.installed and module in packages.modules:
        return passed(
            f"{distribution} {packages.installed[distribution]} is installed",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    other = [name for name in DISTRIBUTIONS.values() if name in packages.installed]
    aside = f" ({', '.join(other)} is installed, which is another generation)" if other else ""
    return failed(
        f"{workload.attention} is asked for, and {distribution} is not installed{aside}",
        f"transformers looks for the distribution {distribution} and the module {module}; "
        "without them it refuses, or fetches another kernel.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=installing(target, torch),
        explains=("attention.hub-kernel-substituted",),
    )
