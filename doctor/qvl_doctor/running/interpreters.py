"""Which interpreters can be examined, and the sentence about one that cannot."""

from __future__ import annotations

from qvl_doctor.running.client import AgentDied, ask_version

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
