"""The agent runs in every Python that a patient may have."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient


def interpreters() -> list[str]:
    """This one, and every other version that the machine happens to have."""
    found = {sys.executable}
    roots = [Path.home() / ".pyenv" / "versions", Path("/opt/python")]
    for root in roots:
        found.update(str(python) for python in root.glob("3.*/bin/python"))
    for minor in range(8, 15):
        path = shutil.which(f"python3.{minor}")
        if path and "shims" not in path:
            found.add(path)
    return sorted(found)


@pytest.mark.parametrize("python", interpreters())
def test_the_agent_greets_and_runs_a_probe(python: str) -> None:
    try:
        agent = AgentClient(python, {"victims": str(Path(__file__).with_name("victims"))})
    except Exception:
        if "3.6" in python or "3.7" in python:
            return  # below what the agent promises; the engine names it
        raise
    try:
        version = tuple(map(int, agent.interpreter["version"].split(".")[:2]))
        if version >= (3, 9):
            record = agent.run("victims.bad_probe:fine", {"value": 3}, 20)
            assert record.status is ProbeStatus.OK, record.reason
    finally:
        agent.close()
