"""The installed transformers may use the position offset of an earlier prompt."""

from __future__ import annotations

from qvl_checks.generation.offset_defects import offset_defects
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

CURE = """\
model.model.rope_deltas = None  # before each independent call of model(...); 4.52 and later"""
CURE_BEFORE_4_52 = """\
model.rope_deltas = None  # before each independent call of model(...)"""


@check("generation.stale-rope-deltas")
def stale_rope_deltas(packages: PackagesFacts, model: ModelFacts, target: TargetFacts) -> Judgement:
    """The release against the table; what ordinary programs do decides."""
    defects = offset_defects()
    if not any(model.model_type in defect.models for defect in defects):
        return not_applicable(f"{model.family or model.name} is in no report of this defect")
    version = packages.version("transformers")
    if version is None:
        return blocked("transformers is not installed, or its version cannot be read")
    found = [defect for defect in defects if defect.concerns(version, model.model_type)]
    ordinary = [defect for defect in found if defect.ordinary]
    evidence = {
        "transformers": str(version),
        "calls": [
            {"call": row.call, "effect": row.effect, "evidence": row.evidence} for row in found
        ],
    }
    if ordinary:
        row = ordinary[0]
        return failed(
            f"transformers {version} may use the position offset of an earlier prompt",
            f"It happens in {row.call}: {row.effect}. There is no message.",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=[
                Fix.edit(
                    CURE if version.major >= 5 else CURE_BEFORE_4_52,
                    summary="forgets the offset of the earlier prompt",
                ),
                Fix.run(
                    *target.install(f"transformers=={row.fixed}"),
                    summary="installs a release that computes it anew",
                ),
            ],
        )
    return passed(
        f"transformers {version} computes position offsets anew for independent calls",
        "".join(f"Avoid {row.call}: {row.effect}. " for row in found).strip(),
        evidence=evidence,
    )
