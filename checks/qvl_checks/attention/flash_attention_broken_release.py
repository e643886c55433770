"""The one transformers release whose flash-attention path raises in the vision tower."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wish import NO_WISH, wished_generation
from qvl_checks.versions.known_ranges import hit, ranges_of
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

RULE = "attention.flash-attention-broken-release"


@check(RULE)
def flash_attention_broken_release(
    packages: PackagesFacts, model: ModelFacts, workload: WorkloadFacts, target: TargetFacts
) -> Judgement:
    """The release against the table, where flash-attention is asked for."""
    if not ranges_of(RULE, model):
        return not_applicable(f"no release is known to break {model.family or model.name} so")
    if wished_generation(workload) is None:
        return not_applicable(NO_WISH)
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    evidence = {"transformers": str(version), "wish": workload.attention}
    found = hit(RULE, model, packages)
    if not found:
        return passed(
            f"the flash-attention path of transformers {version} is not known to be broken",
            evidence=evidence,
        )
    row = found[0]
    return failed(
        f"transformers {version} cannot run {workload.attention} in the vision tower",
        row.defect + ".",
        evidence={**evidence, "evidence": row.evidence},
        fixes=[
            Fix.run(
                *target.install("transformers==4.57.1"),
                summary="installs a release with a working flash-attention path",
            ),
            Fix.run(
                *target.install(f"transformers=={row.fixed}"),
                summary="the smallest step that removes the error",
            ),
        ],
    )
