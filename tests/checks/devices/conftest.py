"""The GPU probes' code, run on CPU tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.target import SharedAgent

from qvl_doctor.facts import ProbeStatus

OnCpu = Callable[..., Any]


@pytest.fixture(scope="session")
def on_cpu(shared_agent: SharedAgent) -> OnCpu:
    """Runs a function of ``devices_on_cpu`` with a request, in a fork that imported torch."""

    def run(name: str, **request: Any) -> Any:
        record = shared_agent.run(f"devices_on_cpu:{name}", request, 120)
        assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
        return record.data

    return run
