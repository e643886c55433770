"""The installed transformers computes wrong M-RoPE positions for this family."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun
from qvl_checks.attention.behaviour_words import (
    as_evidence,
    few,
    listed,
    ordinary,
    position_sentence,
    raised,
)
from qvl_checks.versions.known_ranges import KnownRange, hit, ranges_of
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

RULE = "versions.wrong-position-ids"


@check(RULE)
def wrong_position_ids(
    packages: PackagesFacts,
    model: ModelFacts,
    target: TargetFacts,
    behaviour: BehaviourFacts | None = None,
) -> Judgement:
    """The positions that a small model was seen to use; without them, the release against the
    table of known defects."""
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    known = hit(RULE, model, packages)
    compared = [case for case in ordinary(behaviour) if not case.reason] if behaviour else []
    if compared:
        return _measured(compared, behaviour, known, target, model)
    if not ranges_of(RULE, model):
        return not_applicable(f"no release is known to misplace {model.family or model.name}")
    if not known:
        return passed(
            f"transformers {version} has none of the known position defects",
            evidence={"transformers": str(version)},
        )
    return failed(
        f"transformers {version} computes wrong positions for "
        + ", ".join(row.condition for row in known),
        _defects(known) + ". There is no message: the answers just get worse.",
        confidence=Confidence.DERIVED,
        evidence={"transformers": str(version), "defects": _as_evidence(known)},
        fixes=_fixes(known, target, model),
    )


def _measured(
    compared: list[CaseRun],
    behaviour: BehaviourFacts | None,
    known: tuple[KnownRange, ...],
    target: TargetFacts,
    model: ModelFacts,
) -> Judgement:
    release = behaviour.transformers if behaviour else ""
    wrong = [case for case in compared if case.positions()]
    names = list(dict.fromkeys(case.name for case in wrong))
    fitting = tuple(row for row in known if set(row.shows_in) & set(names))
    evidence = {
        "transformers": release,
        "compared": [f"{case.name}, {case.path}" for case in compared],
        "errors": raised(behaviour.cases) if behaviour else {},
        "differences": {
            f"{case.name}, {case.path}": as_evidence(row)
            for case in wrong
            if (row := case.positions())
        },
        "defects": _as_evidence(fitting),
    }
    if not wrong:
        return passed(
            f"transformers {release} puts every token where the rule has it",
            "Text, images, videos and padded batches, in prefill and while decoding."
            + (f" The table says otherwise ({_defects(known)}); it was not seen." if known else ""),
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    first = [position_sentence(case, row) for case in wrong[:2] if (row := case.positions())]
    more = f"; and {len(wrong) - 2} more runs" if len(wrong) > 2 else ""
    unknown = [name for name in names if not any(name in row.shows_in for row in fitting)]
    reported = f" Known: {_defects(fitting)}." if fitting else ""
    reported += f" No report is known here for: {listed(unknown)}." if unknown else ""
    return failed(
        f"transformers {release} puts tokens at wrong positions: {few(names)}",
        "; ".join(first) + more + f".{reported} There is no message: the answers just get worse.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        explains=("attention.padding-changes-answers",) if any(c.padding for c in wrong) else (),
        fixes=_fixes(fitting, target, model),
    )


def _defects(known: tuple[KnownRange, ...]) -> str:
    return "; ".join(f"{row.defect} ({row.condition})" for row in known)


def _as_evidence(known: tuple[KnownRange, ...]) -> list[dict[str, object]]:
    return [
        {"affected": row.affected, "condition": row.condition, "evidence": row.evidence}
        for row in known
    ]


def _fixes(known: tuple[KnownRange, ...], target: TargetFacts, model: ModelFacts) -> list[Fix]:
    """The newest release first; each says what it is right for and what it is not."""
    if not known:
        return [
            Fix.advise(
                "Use a release in which this measurement passes; evaluations must be repeated."
            )
        ]
    releases = sorted({Version(row.fixed) for row in known}, reverse=True)
    return [
        Fix.run(
            *target.install(f"transformers=={release}"),
            summary=f"installs a release that is right for {_right_for(known, release)}"
            f"{_wrong_for(model, release)}; evaluations must be repeated",
        )
        for release in releases
    ]


def _right_for(known: tuple[KnownRange, ...], release: Version) -> str:
    return listed(row.condition for row in known if not row.contains(release))


def _wrong_for(model: ModelFacts, release: Version) -> str:
    rest = [row.condition for row in ranges_of(RULE, model) if row.contains(release)]
    return f", but not for {listed(rest)}" if rest else ""
