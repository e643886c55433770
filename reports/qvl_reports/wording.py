"""The words and symbols for the fixed vocabulary of a report, the same in every renderer."""

from __future__ import annotations

import shlex

from qvl_doctor.findings import Confidence, Fix, Outcome, Safety, Severity
from qvl_doctor.report import Verdict

VERDICT_WORD = {
    Verdict.OK: "OK",
    Verdict.PROBLEMS: "Problems",
    Verdict.INCOMPLETE: "Incomplete",
}
VERDICT_SYMBOL = {Verdict.OK: "✓", Verdict.PROBLEMS: "✗", Verdict.INCOMPLETE: "?"}

OUTCOME_WORD = {
    Outcome.PASS: "passed",
    Outcome.FAIL: "failed",
    Outcome.NOT_APPLICABLE: "does not apply",
    Outcome.BLOCKED: "blocked",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.ERROR: "error",
    Outcome.WAIVED: "waived",
}
OUTCOME_SYMBOL = {
    Outcome.PASS: "✓",
    Outcome.FAIL: "✗",
    Outcome.NOT_APPLICABLE: "–",
    Outcome.BLOCKED: "⊘",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
    Outcome.WAIVED: "~",
}
SEVERITY_WORD = {
    Severity.WRONG_ANSWERS: "wrong answers",
    Severity.WILL_NOT_START: "will not start",
    Severity.OUT_OF_MEMORY: "out of memory",
    Severity.SLOW: "slow",
    Severity.HYGIENE: "hygiene",
}
CONFIDENCE_WORD = {
    Confidence.MEASURED: "measured here",
    Confidence.DERIVED: "derived from code and versions",
    Confidence.REPORTED: "reported upstream",
    Confidence.HEURISTIC: "a heuristic",
}
SAFETY_WORD = {
    Safety.SAFE: "safe",
    Safety.REVIEW: "review before applying",
    Safety.RISKY: "risky, a last resort",
}
FIX_WORD = {
    "command": "Run",
    "code": "Change the code",
    "setting": "Set before Python starts",
    "advice": "Do",
}


def fix_text(fix: Fix) -> str:
    """What to copy: a shell line, code, or ``NAME=value``; empty for advice."""
    if fix.kind == "command":
        return shlex.join(fix.command or ())
    return {"code": fix.code, "setting": fix.setting}.get(fix.kind) or ""


def fix_proof(fix: Fix) -> str:
    """Whether the cure was tried here, and with which measurement."""
    if fix.verified:
        return f"verified here: {fix.verification}"
    return "not verified here"


def count(number: int, noun: str) -> str:
    """``1 check``, ``2 checks``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
