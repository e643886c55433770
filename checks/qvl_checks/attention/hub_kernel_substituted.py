"""transformers would run a kernel from the Hub in place of flash-attn."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wheels import installing
from qvl_checks.attention.flash_attn_wish import NO_WISH, wished_generation
from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("attention.hub-kernel-substituted")
def hub_kernel_substituted(
    selection: SelectionFacts,
    workload: WorkloadFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    torch: TorchFacts | None,
) -> Judgement:
    """transformers was asked; an attempt to fetch a kernel was recorded and refused."""
    elsewhere = {
        row.wish or "not given": list(row.hub_kernels) for row in selection.rows if row.hub_kernels
    }
    evidence = {
        "kernels": packages.installed.get("kernels"),
        "kernels_accepted": selection.kernels_accepted,
        "would_fetch": elsewhere,
    }
    if wished_generation(workload) is None:
        return not_applicable(NO_WISH, evidence=evidence)
    row = selection.for_wish(workload.attention)
    if row is None:
        return blocked(f"the selection for {workload.attention} was not recorded")
    if row.hub_kernels:
        return failed(
            f"{workload.attention} is asked for, and {row.hub_kernels[0]} from the Hub would run",
            "flash-attn is not installed and the package kernels is, so transformers fetches "
            "compiled code at run time, with one line of warning.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=installing(target, torch),
        )
    if row.error:
        return not_applicable(
            f"nothing is substituted: transformers refuses {workload.attention}", evidence=evidence
        )
    return passed(
        f"{workload.attention} is what runs: {row.selected.get('text_config')}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )
