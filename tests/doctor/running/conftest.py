"""An agent on the test's own interpreter, with the misbehaving probes in reach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qvl_doctor.facts import ProbeRecord
from qvl_doctor.running.client import AgentClient

ROOTS = {"victims": str(Path(__file__).with_name("victims"))}


@pytest.fixture
def client() -> Iterator[AgentClient]:
    """One agent; ended after the test."""
    agent = AgentClient(sys.executable, ROOTS)
    yield agent
    agent.close()


@pytest.fixture
def run(client: AgentClient) -> Callable[..., ProbeRecord]:
    """Run one of the misbehaving probes by name."""

    def run_victim(name: str, budget_s: float = 20.0, **request: Any) -> ProbeRecord:
        return client.run(f"victims.bad_probe:{name}", request, budget_s)

    return run_victim
