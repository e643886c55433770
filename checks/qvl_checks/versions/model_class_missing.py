"""The installed transformers does not have the class of the model family."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.releases import first_release, requirement_for
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("versions.model-class-missing")
def model_class_missing(
    surface: TransformersSurfaceFacts,
    model: ModelFacts,
    target: TargetFacts,
    packages: PackagesFacts,
) -> Judgement:
    """The class must stand in the family's modeling file of the examined interpreter."""
    if not model.class_name:
        return not_applicable(f"{model.name}: not a known Qwen-VL family, so no class is expected")
    if not surface.installed:
        return blocked(f"transformers is not installed: {surface.reason}")
    if surface.classes is None:
        return blocked(f"its classes cannot be read: {surface.unread.get('classes', '')}")
    installed = packages.installed.get("transformers", "of unknown version")
    evidence = {
        "class": model.class_name,
        "transformers": installed,
        "folder": surface.folder,
        "present": list(surface.classes.get(model.model_type, ())),
    }
    if model.class_name in surface.classes.get(model.model_type, ()):
        return passed(
            f"transformers {installed} has {model.class_name}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    since = first_release(model.model_type)
    wanted = requirement_for(model.model_type)
    fixes = []
    if wanted:
        fixes.append(
            Fix.run(
                *target.install("--upgrade", wanted),
                summary="upgrades transformers in the interpreter that was examined",
            )
        )
    first = f" It first appeared in {since}." if since else ""
    return failed(
        f"transformers {installed} has no {model.class_name}",
        f"The installed transformers is older than the model family.{first}",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "first_release": since},
        fixes=fixes,
        explains=("versions.unknown-model-type", "versions.transformers-import-failed"),
    )
