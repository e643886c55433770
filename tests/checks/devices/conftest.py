"""An agent that runs the GPU probes' code on CPU tensors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import qvl_checks
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

HERE = Path(__file__).parent
ROOTS = {
    "qvl_checks": str(Path(qvl_checks.__file__).parent),
    "devices_on_cpu": str(HERE / "devices_on_cpu.py"),
}
TARGET = os.environ.get("QVL_TEST_TARGET", sys.executable)

OnCpu = Callable[..., Any]


@pytest.fixture(scope="module")
def with_torch() -> Iterator[AgentClient]:
    """An agent that has imported torch."""
    client = AgentClient(TARGET, ROOTS)
    imported = client.import_module("torch", 120)
    assert imported.status is ProbeStatus.OK, imported.reason
    yield client
    client.close()


@pytest.fixture(scope="module")
def on_cpu(with_torch: AgentClient) -> OnCpu:
    """Runs a function of ``devices_on_cpu`` with a request, in a fork that imported torch."""

    def run(name: str, **request: Any) -> Any:
        record = with_torch.run(f"devices_on_cpu:{name}", request, 120)
        assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
        return record.data

    return run
