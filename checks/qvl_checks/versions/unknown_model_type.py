"""AutoConfig of the installed transformers does not know the checkpoint's model type."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.releases import first_release, requirement_for
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("versions.unknown-model-type")
def unknown_model_type(
    surface: TransformersSurfaceFacts,
    model: ModelFacts,
    target: TargetFacts,
    packages: PackagesFacts,
) -> Judgement:
    """The checkpoint's ``model_type`` must stand in AutoConfig's table."""
    if not model.model_type:
        return not_applicable(f"{model.name}: its config.json names no model_type")
    if "auto_map" in model.config:
        return not_applicable(f"{model.model_type} brings its own code (auto_map in config.json)")
    if not surface.installed:
        return blocked(f"transformers is not installed: {surface.reason}")
    if surface.model_types is None:
        return blocked(
            f"its table of model types cannot be read: {surface.unread.get('model_types', '')}"
        )
    installed = packages.installed.get("transformers", "of unknown version")
    since = first_release(model.model_type)
    evidence = {
        "model_type": model.model_type,
        "transformers": installed,
        "folder": surface.folder,
        "known_types": len(surface.model_types),
    }
    if model.model_type in surface.model_types:
        return passed(
            f"transformers {installed} knows the model type {model.model_type}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    wanted = requirement_for(model.model_type)
    if wanted is None:
        fix = Fix.advise(
            f"Check model_type in the checkpoint's config.json: {model.model_type!r} is no type of "
            "this release; a misspelt or newer type needs the checkpoint's own instructions."
        )
    else:
        fix = Fix.run(
            *target.install("--upgrade", wanted),
            summary="upgrades transformers in the interpreter that was examined",
        )
    first = f" It was added in {since}." if since else ""
    return failed(
        f"transformers {installed} does not know the model type {model.model_type}",
        f"AutoConfig has no entry for it, so loading stops before any weight is read.{first}",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "first_release": since},
        fixes=[fix],
    )
