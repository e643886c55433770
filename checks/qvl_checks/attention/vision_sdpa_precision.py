"""Releases whose vision tower loses accuracy with sdpa."""

from __future__ import annotations

from typing import Any

from qvl_checks.attention.behaviour_facts import BehaviourFacts, VisionRun
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
    behaviour: BehaviourFacts | None = None,
) -> Judgement:
    """Whether the vision tower, where it runs sdpa, was seen to attend through one mask over all
    patches; without a run, the release against the table."""
    if not ranges_of(RULE, model):
        return not_applicable(f"not reported for {model.family or model.name}")
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    row = selection.for_wish(workload.attention) if selection else None
    # Where the selection was not asked for, sdpa is the default of these releases.
    vision = (row.selected.get("vision_config") if row else None) or workload.attention or "sdpa"
    evidence: dict[str, Any] = {"transformers": str(version), "vision_attention": vision}
    found = hit(RULE, model, packages)
    runs = [run for run in behaviour.vision if not run.reason] if behaviour else []
    fused = [run for run in runs if run.implementation == "sdpa" and run.calls]
    evidence |= {
        "float32_error": _errors(runs, "error"),
        "bfloat16_error": _errors(runs, "bfloat16_error"),
        "dense_mask": any(run.masked for run in fused) if fused else None,
    }
    if fused and not any(run.masked for run in fused):
        return passed(
            "The vision tower's sdpa attends image by image, without a mask",
            "The report concerns releases that use one mask over all patches.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if not found:
        return passed(
            f"transformers {version} is outside the releases that the report concerns",
            evidence=evidence,
        )
    if vision != "sdpa":
        return not_applicable(f"the vision tower runs {vision}, not sdpa", evidence=evidence)
    return failed(
        f"transformers {version} is reported to lose accuracy in the vision tower with sdpa",
        found[0].defect + "." + _seen(fused),
        confidence=Confidence.REPORTED,
        evidence={**evidence, "evidence": found[0].evidence},
        fixes=[
            Fix.run(
                *target.install(f"transformers=={found[0].fixed}"),
                summary="installs a release that attends image by image, without the mask",
            )
        ],
    )


def _errors(runs: list[VisionRun], field: str) -> dict[str, float | None]:
    return {f"{run.name}, {run.implementation}": getattr(run, field) for run in runs}


def _seen(fused: list[VisionRun]) -> str:
    """What was measured of it here, which is the mask and not the loss."""
    if not fused:
        return ""
    patches = max(run.largest or 0 for run in fused)
    return (
        f" Seen here: one masked call over all {patches} patches of a small model's images. Its "
        "rounding on the CPU is that of eager; the reported loss is of GPU kernels."
    )
