"""The installed transformers computes wrong M-RoPE positions for this family."""

from __future__ import annotations

from qvl_checks.versions.known_ranges import hit, ranges_of
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

RULE = "versions.wrong-position-ids"


@check(RULE)
def wrong_position_ids(
    packages: PackagesFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """The release against the table of known defects."""
    if not ranges_of(RULE, model):
        return not_applicable(f"no release is known to misplace {model.family or model.name}")
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    found = hit(RULE, model, packages)
    if not found:
        return passed(
            f"transformers {version} has none of the known position defects",
            evidence={"transformers": str(version)},
        )
    fixed = max((row.fixed for row in found), key=lambda text: tuple(map(int, text.split("."))))
    return failed(
        f"transformers {version} computes wrong positions for "
        + ", ".join(row.condition for row in found),
        "; ".join(f"{row.defect} ({row.condition})" for row in found)
        + ". There is no message: the answers just get worse.",
        confidence=Confidence.DERIVED,
        evidence={
            "transformers": str(version),
            "defects": [
                {"affected": row.affected, "condition": row.condition, "evidence": row.evidence}
                for row in found
            ],
        },
        fixes=[
            Fix.run(
                *target.install(f"transformers=={fixed}"),
                summary="installs a release without the known position defects; "
                "evaluations must be repeated",
            )
        ],
    )
