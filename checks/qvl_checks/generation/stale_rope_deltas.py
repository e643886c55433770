"""The installed transformers may use the position offset of an earlier prompt."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun
from qvl_checks.attention.behaviour_words import as_evidence, listed, ordinary, position_sentence
from qvl_checks.generation.offset_defects import OffsetDefect, offset_defects
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
def stale_rope_deltas(
    packages: PackagesFacts,
    model: ModelFacts,
    target: TargetFacts,
    behaviour: BehaviourFacts | None = None,
) -> Judgement:
    """What a small model did with a second prompt; without that, the release against the table,
    where what ordinary programs do decides."""
    defects = offset_defects()
    version = packages.version("transformers")
    found = [row for row in defects if version and row.concerns(version, model.model_type)]
    asked_again = [case for case in behaviour.cases if case.after_another] if behaviour else []
    compared = [case for case in asked_again if not case.reason]
    if behaviour and compared:
        return _measured(behaviour, compared, found, target)
    if not any(model.model_type in defect.models for defect in defects):
        return not_applicable(f"{model.family or model.name} is in no report of this defect")
    if version is None:
        return blocked("transformers is not installed, or its version cannot be read")
    usual = [defect for defect in found if defect.ordinary]
    evidence = {"transformers": str(version), "calls": _calls(found)}
    if usual:
        row = usual[0]
        return failed(
            f"transformers {version} may use the position offset of an earlier prompt",
            f"It happens in {row.call}: {row.effect}. There is no message.",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=_fixes(version, row.fixed, target),
        )
    return passed(
        f"transformers {version} computes position offsets anew for independent calls",
        _avoid(found),
        evidence=evidence,
    )


def _measured(
    behaviour: BehaviourFacts,
    compared: list[CaseRun],
    found: list[OffsetDefect],
    target: TargetFacts,
) -> Judgement:
    """Positions are wrong for the second prompt, and right for one like it on a fresh model."""
    # What is wrong without an earlier prompt is another rule's business.
    spoiled = {
        case.path for case in ordinary(behaviour) if case.name == "image" and case.positions()
    }
    wrong = [case for case in compared if case.positions() and case.path not in spoiled]
    evidence = {
        "transformers": behaviour.transformers,
        "compared": [f"{case.name}, {case.path}" for case in compared],
        "differences": {
            f"{case.name}, {case.path}": as_evidence(row)
            for case in wrong
            if (row := case.positions())
        },
        "calls": _calls(found),
    }
    if not wrong:
        return passed(
            f"transformers {behaviour.transformers} gives a second prompt its own positions",
            _avoid([row for row in found if not row.ordinary]),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    version = Version(behaviour.transformers)
    fixed = max((row.fixed for row in found if row.ordinary), key=Version, default="4.57.1")
    sentences = [position_sentence(case, row) for case in wrong if (row := case.positions())]
    return failed(
        f"transformers {behaviour.transformers} uses the position offset of an earlier prompt: "
        + listed(case.name for case in wrong),
        "; ".join(sentences) + ". There is no message.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=_fixes(version, fixed, target),
    )


def _calls(found: list[OffsetDefect]) -> list[dict[str, object]]:
    return [{"call": row.call, "effect": row.effect, "evidence": row.evidence} for row in found]


def _avoid(found: list[OffsetDefect]) -> str:
    return "".join(f"Avoid {row.call}: {row.effect}. " for row in found).strip()


def _fixes(version: Version, fixed: str, target: TargetFacts) -> list[Fix]:
    return [
        Fix.edit(
            CURE if version.major >= 5 else CURE_BEFORE_4_52,
            summary="forgets the offset of the earlier prompt",
        ),
        Fix.run(
            *target.install(f"transformers=={fixed}"),
            summary="installs a release that computes it anew",
        ),
    ]
