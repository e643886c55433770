"""Runs of the small model in words: shared by the checks that read `BehaviourFacts`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun, Difference

NAMES = {"t": "time", "h": "height", "w": "width"}
KINDS = {"text": "text", "image": "image", "video": "video", "new": "generated"}


def listed(names: Iterable[str]) -> str:
    """ "a, b and c", each once."""
    unique = list(dict.fromkeys(names))
    if len(unique) < 2:
        return "".join(unique)
    return f"{', '.join(unique[:-1])} and {unique[-1]}"


def few(names: Iterable[str], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    unique = list(dict.fromkeys(names))
    rest = len(unique) - most
    return listed([*unique[:most], f"{rest} more"] if rest > 0 else unique)


def position_sentence(case: CaseRun, row: Difference) -> str:
    """Which position is wrong, and how."""
    which = listed(NAMES[name] for name in row.dimensions)
    return (
        f"{case.name}, {case.path}: from the {KINDS[row.kind]} token {row.token} of prompt "
        f"{row.row} on ({row.phase}) the {which} index is wrong for {row.wrong} of {row.of} "
        f"tokens, there {_place(row.found)} instead of {_place(row.expected)}"
    )


def logits_sentence(case: CaseRun, row: Difference) -> str:
    """From where on answers differ, and what explains it."""
    size = "not finite" if row.error is None else f"off by {row.error:.1g}"
    with_what = _with_what(case)
    why = f"; exactly what one gets from: {row.cause}" if row.cause else ""
    return (
        f"{case.name}, {case.path}{with_what}: from the {KINDS[row.kind]} token {row.token} on "
        f"({row.phase}) the logits are {size}, for {row.wrong} of {row.of} tokens{why}"
    )


def named(case: CaseRun) -> str:
    """The run, as a key of evidence."""
    return f"{case.name}, {case.path}{_with_what(case)}"


def _with_what(case: CaseRun) -> str:
    return f" with {case.implementation}" if case.implementation else ""


def _place(position: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in position) + ")"


def raised(cases: Iterable[CaseRun]) -> dict[str, str]:
    """Runs that could not be compared -> the error."""
    return {named(case).lstrip(", "): case.reason for case in cases if case.reason}


def ordinary(facts: BehaviourFacts) -> list[CaseRun]:
    """The runs on a fresh model."""
    return [case for case in facts.cases if not case.after_another]


def by_the_window(case: CaseRun, facts: BehaviourFacts) -> bool:
    """Whether a sliding window explains it: by its mask, or as nothing is wrong before one would
    bite."""
    row = case.logits()
    if row is None or row.cause:
        return row is not None and "sliding window" in row.cause
    whole = [
        other.logits()
        for other in facts.windows
        if other.name == case.name
        and other.path == "forward"
        and other.implementation == case.implementation
    ]
    return any(found is not None and found.token >= (facts.window or 0) for found in whole)


def largest_error(cases: Iterable[CaseRun]) -> float | None:
    """Of the runs that were compared; None when there are none."""
    errors = [case.error for case in cases if not case.reason and case.error is not None]
    return max(errors, default=None)


def as_evidence(row: Difference) -> dict[str, Any]:
    """The numbers of one difference."""
    found: dict[str, Any] = {
        "what": row.what,
        "phase": row.phase,
        "prompt": row.row,
        "first_token": row.token,
        "kind": row.kind,
        "wrong_tokens": f"{row.wrong} of {row.of}",
    }
    if row.what == "positions":
        found |= {
            "dimensions": row.dimensions,
            "expected_thw": row.expected,
            "found_thw": row.found,
        }
    else:
        found |= {"largest_relative_error": row.error, "explained_by": row.cause or "nothing known"}
    return found
