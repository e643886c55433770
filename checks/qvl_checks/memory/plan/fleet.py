"""Interpreters of the target that work on the parts of a plan, several at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from qvl_checks.memory.plan.request import Question
from qvl_checks.memory.plan.tasks_probe import PATIENCE
from qvl_doctor.errors import UsageError
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient, AgentDied, Interrupted

ENTRY = "qvl_checks.memory.plan.tasks_probe:run"
IMPORT_BUDGET_S = 120.0
MOST = 4
"""Interpreters; each takes several hundred MiB."""
TRACING = "torch._dynamo"
"""Imported by fake tensors at their first use; once here, for all tasks."""
GRACE_S = 30.0
"""Beyond the time that a task is given for predictions: the one under way may end."""


class Part(msgspec.Struct, frozen=True):
    """How one task ended."""

    status: str
    """done, unpredictable, out_of_time or failed."""
    reason: str = ""
    answer: dict[str, Any] = {}


class Fleet:
    """Each task runs in a fork of an interpreter that has imported what all need."""

    def __init__(self, python: str, roots: dict[str, str], stop: threading.Event) -> None:
        self._python = python
        self._roots = roots
        self._stop = stop
        self._local = threading.local()
        self._agents: list[AgentClient] = []
        self._pool = ThreadPoolExecutor(min(MOST, max(len(_cpus()), 1)))

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for agent in self._agents:
            agent.close()

    def work(self, question: Question, tasks: Mapping[str, float]) -> dict[str, Callable[[], Part]]:
        """Begin the tasks, each with its seconds of work; each value waits for its task and tells
        how it ended.

        Raises (when waiting):
            UsageError: the interpreter cannot do it at all; the message says why.
            Interrupted: the user asked to stop.
        """
        return {
            task: self._pool.submit(self._task, question, task, seconds).result
            for task, seconds in tasks.items()
        }

    def _task(self, question: Question, task: str, seconds: float) -> Part:
        agent = self._agent(question)
        record = agent.run(ENTRY, question.request(task, seconds), PATIENCE * seconds + GRACE_S)
        if self._stop.is_set():
            raise Interrupted
        if record.status is not ProbeStatus.OK:
            return Part("failed", record.reason)
        return msgspec.convert(record.data, Part)

    def _agent(self, question: Question) -> AgentClient:
        """This thread's interpreter."""
        agent: AgentClient | None = getattr(self._local, "agent", None)
        if agent is not None and agent.alive:
            return agent
        try:
            agent = AgentClient(self._python, self._roots, stop=self._stop)
        except AgentDied as error:
            raise UsageError(f"{self._python}: {error}") from error
        self._agents.append(agent)
        self._local.agent = agent
        for module in (*question.model.heavy_imports, TRACING):
            state = agent.import_module(module, IMPORT_BUDGET_S)
            if state.status is not ProbeStatus.OK and module != TRACING:
                raise UsageError(
                    f"{self._python} cannot import {module.partition(':')[0]}: {state.reason}; "
                    "'qvl-doctor check' says why"
                )
        return agent


def _cpus() -> set[int]:
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:
        return set(range(os.cpu_count() or 1))
