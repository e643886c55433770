"""versions.framework-model-skew: do frameworks and model agree with the installed transformers?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.models.catalogue import families
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.releases import first_release, requirement_for
from qvl_checks.versions.requirements import Violation, marker_environment, violations
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FRAMEWORKS = (
    "vllm",
    "sglang",
    "lmdeploy",
    "xinference",
    "ms-swift",
    "llamafactory",
    "trl",
    "gptqmodel",
    "autoawq",
    "unsloth",
    "verl",
)
SUBJECT = "transformers"
NESTED_SINCE = Version("4.52.0.dev0")
"""Qwen2-VL and Qwen2.5-VL are saved with ``text_config`` from here on; run on both sides of it."""


@check("versions.framework-model-skew")
def framework_model_skew(
    packages: PackagesFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """A snapshot, a config of a newer layout, or a framework that asks for another release."""
    release = packages.version(SUBJECT)
    if release is None:
        return blocked("transformers is not installed")
    present = [name for name in FRAMEWORKS if name in packages.installed]
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "frameworks": {name: packages.installed[name] for name in present},
        "model_type": model.model_type,
        "first_release": first_release(model.model_type),
    }
    if release.is_devrelease:
        return failed(
            f"transformers {release} is a development snapshot",
            "Names of classes and config fields changed between snapshots and the release; a "
            "framework and a checkpoint that fit the release may lack attributes here.",
            evidence=evidence,
            fixes=[
                Fix.run(
                    *target.install("--upgrade", _wanted(model)),
                    summary="replaces the snapshot by a release",
                )
            ],
        )
    if release < NESTED_SINCE and _nested(model):
        return failed(
            f"config.json was written by transformers 4.52 or later; {release} cannot read it",
            "It keeps the language model's fields in text_config, where this release does not look "
            "for them: loading stops with 'dict' object has no attribute 'to_dict'.",
            evidence={**evidence, "written_by": model.config.get("transformers_version")},
            fixes=[
                Fix.run(
                    *target.install("--upgrade", _wanted(model)),
                    summary="installs a release that reads both layouts",
                )
            ],
        )
    if not present:
        return not_applicable(
            "no serving or training framework is installed beside transformers", evidence=evidence
        )
    found = list(_violations(present, packages, target))
    unread = [name for name in present if _requires(packages, name) is None]
    evidence["violated"] = [violation.sentence() for violation in found]
    evidence["requirements_not_read"] = unread
    if found:
        return failed(
            found[0].sentence(),
            "The framework was written against another transformers than the one installed; it "
            "fails later, where an attribute of processor or config is missing.",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=[
                Fix.run(
                    *target.install("--upgrade", *sorted({v.by for v in found})),
                    summary="upgrades the framework; it brings the transformers that it needs",
                )
            ],
        )
    if len(unread) == len(present):
        return not_applicable(
            f"what {', '.join(unread)} asks of transformers was not read", evidence=evidence
        )
    return passed(
        f"{', '.join(name for name in present if name not in unread)} and transformers {release} "
        "go together",
        "As far as their own requirements say.",
        evidence=evidence,
    )


def _nested(model: ModelFacts) -> bool:
    """Whether a family that was published with one flat config is saved in two parts here."""
    family = families().get(model.model_type)
    flat = family is not None and family.layout == "flat"
    return flat and isinstance(model.config.get("text_config"), dict)


def _wanted(model: ModelFacts) -> str:
    return requirement_for(model.model_type) or "transformers>=4.57.1"


def _requires(packages: PackagesFacts, name: str) -> tuple[str, ...] | None:
    copy = packages.first(name)
    return copy.requires if copy is not None else None


def _violations(
    present: list[str], packages: PackagesFacts, target: TargetFacts
) -> list[Violation]:
    environment = marker_environment(target)
    return [
        violation
        for name in present
        for violation in violations(
            name, _requires(packages, name) or (), packages.installed, environment
        )
        if violation.needs == SUBJECT
    ]
