"""The interpreter that tests examine, and one agent in it for all tests that only ask.

An agent's probes run in forks of a process that has done the heavy imports, so tests that share
one agent share the imports and nothing else.
"""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import qvl_checks
from qvl_doctor.facts import ImportState, ProbeRecord, ProbeStatus
from qvl_doctor.running.client import AgentClient

TARGET = os.environ.get("QVL_TEST_TARGET", sys.executable)
QVL_CHECKS = str(Path(qvl_checks.__file__).parent)
HERE = Path(__file__).parent
PLANTED = "planted"
"""The package that `SharedAgent.plant` writes to."""
FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5")
IMPORTS = (
    "torch",
    "torch._dynamo",
    "transformers",
    "transformers.generation.utils",
    *(f"transformers.models.{family}.modeling_{family}" for family in FAMILIES),
)
BUDGET_S = 120.0


class SharedAgent:
    """An agent that is started when it is first needed, and again when a test ended it."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is empty and for planted modules only."""
        self._planted = folder / PLANTED
        self._planted.mkdir()
        (self._planted / "__init__.py").write_text("")
        self._client: AgentClient | None = None
        self._imports: dict[str, ImportState] = {}

    def plant(self, name: str, source: str) -> Path:
        """Write the module ``planted.<name>``, which probes can be run from.

        Returns:
            The package's folder, for whatever else the module wants beside it.
        """
        (self._planted / f"{name}.py").write_text(textwrap.dedent(source))
        return self._planted

    def run(self, entry: str, request: dict[str, Any], budget_s: float) -> ProbeRecord:
        """As `AgentClient.run`, with the heavy modules imported."""
        return self._alive().run(entry, request, budget_s)

    def import_module(self, name: str, budget_s: float = BUDGET_S) -> ImportState:
        """As `AgentClient.import_module`; what was imported before is not timed again."""
        if name not in self._imports or not self._is_alive():
            self._imports[name] = self._alive().import_module(name, budget_s)
        return self._imports[name]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _is_alive(self) -> bool:
        return self._client is not None and self._client.alive

    def _alive(self) -> AgentClient:
        if self._client is None or not self._client.alive:
            self._client = AgentClient(
                TARGET,
                {
                    "qvl_checks": QVL_CHECKS,
                    PLANTED: str(self._planted),
                    "devices_on_cpu": str(HERE / "checks" / "devices" / "devices_on_cpu.py"),
                    "memory_on_target": str(HERE / "checks" / "memory" / "memory_on_target"),
                },
            )
            self._imports = {name: self._client.import_module(name, BUDGET_S) for name in IMPORTS}
            for name, state in self._imports.items():
                assert state.status is ProbeStatus.OK, f"{name}: {state.reason}"
        return self._client
