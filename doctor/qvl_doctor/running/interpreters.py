"""Which interpreters can be examined, and the sentence about one that cannot."""

from __future__ import annotations

from typing import Any

from qvl_doctor.facts import TargetFacts
from qvl_doctor.running.client import AgentDied, ask_version
from qvl_doctor.target import Choice

OLDEST_PYTHON = (3, 9)
LAST_WORDS = 300
"""Characters of an interpreter's last line that go into the sentence about it."""


def is_too_old(version: str) -> bool:
    """Whether ``3.8.18`` is below the floor."""
    return tuple(map(int, version.split(".")[:2])) < OLDEST_PYTHON


def too_old(version: str) -> str:
    """The sentence for an interpreter below the floor."""
    return f"Python {version} is older than 3.9, the oldest that can be examined"


def why_unusable(python: str, death: AgentDied) -> str:
    """The sentence for an interpreter that did not greet; asks it once more, for its version."""
    if death.timed_out or death.never_started:
        return f"the target interpreter does not run: {death}"
    lines = death.output.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f"; the last that it printed: {last[:LAST_WORDS]}" if last else ""
    version = ask_version(python)
    if not version:
        return f"{python} does not work as a Python interpreter: {death}{said}"
    if is_too_old(version):
        return too_old(version)
    return f"the target interpreter does not run: {death}{said}"


def described(
    choice: Choice, interpreter: dict[str, Any], reason: str = "", output: str = ""
) -> TargetFacts:
    """The facts about the target: what its greeting said (nothing, where there was none)."""
    version = interpreter.get("version", "")
    if version and is_too_old(version):
        reason = too_old(version)
    return TargetFacts(
        python=choice.python,
        chosen_because=choice.because,
        runs=not reason,
        reason=reason,
        output=output,
        **{key: interpreter[key] for key in interpreter if key != "import_path"},
        import_path=tuple(interpreter.get("import_path", ())),
    )
