"""Releases whose vision tower loses accuracy with sdpa."""

from __future__ import annotations

from qvl_checks.attention.selection_facts import SelectionFacts
from qvl_checks.versions.known_ranges import hit, ranges_of
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

RULE = "attention.vision-sdpa-precision"


@check(RULE)
def vision_sdpa_precision(
    packages: PackagesFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    selection: SelectionFacts | None,
) -> Judgement:
    """The release against the table, where the vision tower runs sdpa."""
    if not ranges_of(RULE, model):
        return not_applicable(f"not reported for {model.family or model.name}")
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    row = selection.for_wish(workload.attention) if selection else None
    # Where the selection was not asked for, sdpa is the default of these releases.
    vision = (row.selected.get("vision_config") if row else None) or workload.attention or "sdpa"
    evidence = {"transformers": str(version), "vision_attention": vision}
    found = hit(RULE, model, packages)
    if not found:
        return passed(
            f"transformers {version} is outside the releases that the report concerns",
            evidence=evidence,
        )
    if vision != "sdpa":
        return not_applicable(f"the vision tower runs {vision}, not sdpa", evidence=evidence)
    return failed(
        f"transformers {version} is reported to lose accuracy in the vision tower with sdpa",
        found[0].defect + ".",
        confidence=Confidence.REPORTED,
        evidence={**evidence, "evidence": found[0].evidence},
        fixes=[
            Fix.run(
                *target.install(f"transformers=={found[0].fixed}"),
                summary="installs a release that attends image by image, without the mask",
            )
        ],
    )
