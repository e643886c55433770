"""versions.removed-auto-class: does the checkpoint ask for an auto class that is gone?"""

from __future__ import annotations

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

OLD, NEW = "AutoModelForVision2Seq", "AutoModelForImageTextToText"


@check("versions.removed-auto-class")
def removed_auto_class(
    surface: TransformersSurfaceFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    files: CheckpointFilesFacts | None,
) -> Judgement:
    """The names that the installed transformers has, and the one that the checkpoint uses."""
    if not surface.installed:
        return blocked(f"transformers is not installed: {surface.reason}")
    if surface.auto_classes is None:
        return blocked(f"its auto classes cannot be read: {surface.unread.get('auto_classes', '')}")
    installed = packages.installed.get("transformers", "of unknown version")
    asked = OLD in files.remote_code.auto_map if files is not None else False
    evidence = {
        "transformers": installed,
        OLD: OLD in surface.auto_classes,
        NEW: NEW in surface.auto_classes,
        "checkpoint_asks_for_it": asked,
    }
    if OLD in surface.auto_classes:
        return passed(
            f"transformers {installed} still has {OLD}",
            f"It is gone in 5.0; {NEW} replaces it from 4.46 on.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if not asked:
        return not_applicable(
            f"transformers {installed} has no {OLD}; whether a program still imports it shows in "
            "its code (qvl-doctor lint)",
            evidence=evidence,
        )
    return failed(
        f"The checkpoint is made for {OLD}, which transformers {installed} does not have",
        f"auto_map in its config.json names the class; it was renamed to {NEW}, and the old name "
        "was dropped in 5.0.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.advise(
                f"Rename the key {OLD} in auto_map of config.json to {NEW}; the code that it "
                "points to stays.",
                safety=Safety.REVIEW,
            ),
            Fix.run(
                *target.install("transformers>=4.57.1,<5"),
                summary="installs the last series that has both names",
            ),
        ],
    )
