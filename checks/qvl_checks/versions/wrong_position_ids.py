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
from qvl_checks.attention.stated_load import STATE_IT, concerned, meets, told
from qvl_checks.versions.known_ranges import KnownRange, hit, ranges_of
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

RULE = "versions.wrong-position-ids"
PLAIN = ("text", "image", "video")
"""Runs without which a load of their kind was not looked at."""
PADDING_SYMPTOMS = ("attention.padding-changes-answers", "kv-cache.cache-broken")
SILENT = "There is no message: the answers just get worse."


@check(RULE)
def wrong_position_ids(
    packages: PackagesFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    target: TargetFacts,
    behaviour: BehaviourFacts | None = None,
) -> Judgement:
    """The positions that a small model was seen to use; without them, the release against the
    table of known defects. A defect counts if the stated load can meet it."""
    version = packages.version("transformers")
    if version is None:
        return blocked("the version of transformers is not known: it is not installed")
    known = hit(RULE, model, packages)
    runs = ordinary(behaviour) if behaviour else []
    if behaviour and any(not case.reason for case in runs):
        return _measured(runs, behaviour, known, target, model, workload)
    if not ranges_of(RULE, model):
        return not_applicable(f"no release is known to misplace {model.family or model.name}")
    met = _met(known, workload, model)
    evidence = {"transformers": str(version), "defects": _as_evidence(known)}
    if not known:
        return passed(
            f"transformers {version} has none of the known position defects",
            evidence={"transformers": str(version)},
        )
    if not met:
        return passed(
            f"No known position defect of transformers {version} concerns the stated load",
            f"Stated: {told(workload)}. Not right in this release: {_defects(known)}.",
            evidence=evidence,
        )
    return failed(
        f"transformers {version} computes wrong positions for "
        + ", ".join(row.condition for row in met),
        f"{_defects(met)}. {SILENT}{_if_unstated(workload)}",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=_fixes(met, target, model),
    )


def _met(
    known: tuple[KnownRange, ...], workload: WorkloadFacts, model: ModelFacts
) -> tuple[KnownRange, ...]:
    return tuple(row for row in known if meets(row.shows_in[0], workload, model))


def _if_unstated(workload: WorkloadFacts) -> str:
    return "" if workload.stated else f" {STATE_IT}"


def _measured(
    runs: list[CaseRun],
    behaviour: BehaviourFacts,
    known: tuple[KnownRange, ...],
    target: TargetFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
) -> Judgement:
    release = behaviour.transformers
    mine = concerned(runs, workload, model)
    misplaced = [case for case in runs if case.positions()]
    wrong = [case for case in mine if case.positions()]
    names = list(dict.fromkeys(case.name for case in wrong))
    fitting = tuple(row for row in _met(known, workload, model) if set(row.shows_in) & set(names))
    evidence = {
        "transformers": release,
        "load": told(workload) if workload.stated else "not stated",
        "compared": [f"{case.name}, {case.path}" for case in runs if not case.reason],
        "errors": raised(behaviour.cases),
        "differences": {
            f"{case.name}, {case.path}": as_evidence(row)
            for case in misplaced
            if (row := case.positions())
        },
        "defects": _as_evidence(fitting),
    }
    if not wrong:
        raising = [case for case in mine if case.name in PLAIN and case.reason]
        if workload.stated and raising:
            return blocked(
                f"the stated load ({told(workload)}) cannot be compared, as a small model raises: "
                + raising[0].reason,
                evidence=evidence,
            )
        return passed(
            f"transformers {release} puts every token"
            f"{' of the stated load' if misplaced else ''} where the rule has it",
            _about_the_rest(runs, known, workload),
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
        "; ".join(first) + f"{more}.{reported} {SILENT}{_if_unstated(workload)}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        explains=PADDING_SYMPTOMS if any(c.padding for c in wrong) else (),
        fixes=_fixes(fitting, target, model),
    )


def _about_the_rest(
    runs: list[CaseRun], known: tuple[KnownRange, ...], workload: WorkloadFacts
) -> str:
    """What was compared, and what the stated load does not meet."""
    misplaced = listed(case.name for case in runs if case.positions())
    if misplaced:
        return (
            f"Stated: {told(workload)}. This release does misplace tokens of others: "
            f"{misplaced}. State them too if you send such prompts."
        )
    compared = listed(case.name for case in runs if not case.reason)
    unrun = listed(case.name for case in runs if case.reason)
    return (
        f"Compared, in prefill and while decoding: {compared}."
        + (f" Not compared, as it raises: {unrun}." if unrun else "")
        + (f" The table says otherwise ({_defects(known)}); it was not seen." if known else "")
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
