"""checkpoint.rope-scaling-warning: will this release print the harmless warning?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.checkpoint.folder import NOT_NAMED, text_part
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

SILENT_SINCE = Version("4.45.2")
OMNI = ("qwen2_5_omni", "qwen3_omni_moe")
OMNI_WARNS = (Version("4.52"), Version("5.0"))
KEY = "mrope_section"


@check("checkpoint.rope-scaling-warning")
def rope_scaling_warning(model: ModelFacts, packages: PackagesFacts) -> Judgement:
    """The key that old validators do not know, against the releases that have them."""
    if model.source == "tiny":
        return not_applicable(NOT_NAMED)
    scaling = text_part(model.config).get("rope_scaling") or text_part(model.config).get(
        "rope_parameters"
    )
    omni = model.model_type in OMNI
    if not omni and not (isinstance(scaling, dict) and KEY in scaling):
        return not_applicable(f"its config.json has no {KEY}")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    evidence = {"transformers": str(release), "model_type": model.model_type}
    warns = release < SILENT_SINCE
    if omni:
        warns = warns or OMNI_WARNS[0] <= release < OMNI_WARNS[1]
    if not warns:
        return passed(f"transformers {release} knows {KEY}", evidence=evidence)
    return failed(
        f"transformers {release} warns about {KEY}; ignore it",
        "Its validator does not know the key, the model does and uses it. Quality is not affected; "
        "poor answers have another cause.",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=[
            Fix.advise(
                f"Do nothing; above all do not delete {KEY} from config.json, which would break "
                "the positions."
            )
        ],
    )
