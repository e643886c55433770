"""One examination, from wishes to a record: each lane is a thread with one agent."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from qvl_doctor import __version__
from qvl_doctor.facts import (
    FACTS_SCHEMA,
    ImportsFacts,
    ImportState,
    LogFacts,
    ModelFacts,
    ProbeRecord,
    ProbeStatus,
    Record,
    TargetFacts,
    WorkloadFacts,
)
from qvl_doctor.probe import Facts, Level, Probe
from qvl_doctor.running import room
from qvl_doctor.running.client import AgentClient, AgentDied, Interrupted
from qvl_doctor.running.interpreters import described, is_too_old, too_old, why_unusable
from qvl_doctor.running.lanes import LANES, Lane, imports_of, imports_of_all, in_order, lane_of
from qvl_doctor.running.watching import Progress, Silent
from qvl_doctor.target import Choice

JOIN_S = 0.05
STOP_WAIT_S = 8.0
"""How long the lanes get to end their children."""


class Examination:
    """Runs the wanted probes once and keeps what came."""

    def __init__(
        self,
        *,
        choice: Choice,
        probes: Mapping[str, Probe],
        wanted: Iterable[str],
        roots: Mapping[str, str],
        model: ModelFacts | None,
        workload: WorkloadFacts,
        level: Level,
        log: LogFacts | None = None,
        import_budget_s: float = 90.0,
        progress: Progress | None = None,
        gpu_apart: bool | None = None,
    ) -> None:
        """``gpu_apart``: whether what uses the GPU runs beside the rest, in an interpreter of its
        own; None: if the machine has room for that, in more than a quick look."""
        self._choice = choice
        self._roots = roots
        self._model = model
        self._workload = workload
        self._log = log
        self._level = level
        self._import_budget_s = import_budget_s
        self._progress: Progress = progress or Silent()
        self._order = [
            probes[name] for name in in_order(wanted, probes) if level.includes(probes[name].level)
        ]
        if gpu_apart is None:
            gpu_apart = level is not Level.QUICK and room.for_two()
        self._lanes = {probe.id: lane_of(probe, gpu_apart) for probe in self._order}
        self._done = {probe.id: threading.Event() for probe in self._order}
        self._records: dict[str, ProbeRecord] = {
            name: ProbeRecord(
                status=ProbeStatus.NOT_RUN,
                reason=f"needs --level {probes[name].level.value}",
            )
            for name in in_order(wanted, probes)
            if not level.includes(probes[name].level)
        }
        self._target: TargetFacts | None = None
        self._imports: dict[Lane, dict[str, ImportState]] = {"heavy": {}, "gpu": {}}
        self._stopping = threading.Event()
        self._interrupted = False
        self._failure = ""

    def stop(self) -> None:
        """End the children soon, and the run with what is known; may be called in a signal
        handler and from any thread."""
        self._interrupted = True
        self._end()

    def run(self) -> Record:
        """Run everything; `stop` or Ctrl-C ends the children and keeps what is known."""
        started_at = datetime.now(timezone.utc)
        threads = [
            threading.Thread(target=self._guard, args=(lane,), name=f"lane-{lane}", daemon=True)
            for lane in LANES
            if lane in self._lanes.values() or lane == "light"
        ]
        try:
            for thread in threads:
                thread.start()
            while not self._stopping.is_set() and any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(JOIN_S)
        except KeyboardInterrupt:
            self.stop()
        except RuntimeError as error:
            self._fail(error)
        patience = time.monotonic() + STOP_WAIT_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, patience - time.monotonic()))
        return self._record(started_at)

    def _end(self) -> None:
        self._stopping.set()
        for event in self._done.values():
            event.set()

    def _fail(self, error: BaseException) -> None:
        """A bug of the doctor, or a system that gives it no thread: end, and keep what is known."""
        self._failure = self._failure or f"{type(error).__name__}: {error}"
        self._end()

    def _record(self, started_at: datetime) -> Record:
        for probe in self._order:
            self._records.setdefault(probe.id, self._cut_off())
        engine: list[Facts | None] = [
            self._target
            or described(self._choice, {}, f"{self._cut_off().reason} before it answered"),
            ImportsFacts(modules={**self._imports["gpu"], **self._imports["heavy"]}),
            self._model,
            self._workload,
            self._log,
        ]
        for facts in engine:
            if facts is not None:
                self._records[facts.probe] = ProbeRecord(
                    status=ProbeStatus.OK, data=msgspec.to_builtins(facts)
                )
        return Record(
            schema=FACTS_SCHEMA,
            doctor=__version__,
            recorded_at=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            level=self._level,
            interrupted=self._interrupted,
            failure=self._failure,
            probes=dict(sorted(self._records.items())),
        )

    def _cut_off(self) -> ProbeRecord:
        """For a probe that had no chance to end."""
        if self._failure:
            return ProbeRecord(
                status=ProbeStatus.CRASHED, reason=f"the doctor itself failed ({self._failure})"
            )
        return ProbeRecord(status=ProbeStatus.INTERRUPTED, reason="the run was stopped")

    def _guard(self, lane: Lane) -> None:
        """A lane that fails is a bug of the doctor; it must neither hang the others nor hide."""
        try:
            {
                "light": self._light,
                "heavy": lambda: self._heavy("heavy"),
                "gpu": lambda: self._heavy("gpu"),
                "doctor": self._doctor,
            }[lane]()
        except Interrupted:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            for probe in self._of(lane):
                self._done[probe.id].set()

    def _of(self, lane: Lane) -> list[Probe]:
        return [probe for probe in self._order if self._lanes[probe.id] == lane]

    def _light(self) -> None:
        try:
            client = self._agent(self._choice.python)
        except AgentDied as death:
            reason = why_unusable(self._choice.python, death)
            self._target = described(self._choice, {}, reason, death.output)
            return self._block("light", reason)
        self._target = described(self._choice, client.interpreter)
        if not self._target.runs:
            return self._block("light", self._target.reason)
        self._run_lane("light", client, self._choice.python)
        return None

    def _doctor(self) -> None:
        try:
            client = self._agent(sys.executable)
        except AgentDied as death:
            return self._block("doctor", f"the doctor's own interpreter does not run: {death}")
        self._run_lane("doctor", client, sys.executable)
        return None

    def _heavy(self, lane: Lane) -> None:
        try:
            client = self._agent(self._choice.python)
        except AgentDied as death:
            return self._block(lane, why_unusable(self._choice.python, death))
        if is_too_old(client.interpreter["version"]):
            client.close()
            return self._block(lane, too_old(client.interpreter["version"]))
        imports = self._imports[lane]
        wishes = imports_of_all(self._of(lane), self._model)
        for position, name in enumerate(wishes):
            title = f"importing {name}" + (" in a second interpreter" if lane == "gpu" else "")
            self._progress.started(title, self._import_budget_s)
            state = client.import_module(name, self._import_budget_s)
            imports[name] = state
            self._progress.finished(title, state.status is ProbeStatus.OK, state.seconds)
            if not client.alive:
                for later in wishes[position + 1 :]:
                    imports[later] = ImportState(
                        status=ProbeStatus.BLOCKED,
                        reason=f"not tried: importing {name} ended the interpreter",
                    )
                break
        self._run_lane(lane, client, self._choice.python)
        return None

    def _run_lane(self, lane: Lane, client: AgentClient | None, python: str) -> None:
        """Run the lane's probes one after another, with a new agent whenever one died."""
        for probe in self._of(lane):
            reason = self._wait_for_inputs(probe) or self._missing_import(probe, lane)
            if reason:
                record = ProbeRecord(status=ProbeStatus.BLOCKED, reason=reason)
            else:
                if client is None or not client.alive:
                    client = self._revived(lane, python)
                record = self._run_probe(client, probe)
            self._records[probe.id] = record
            self._done[probe.id].set()
        if client is not None:
            client.close()

    def _revived(self, lane: Lane, python: str) -> AgentClient | None:
        """A new agent with the imports that worked before; None when it does not come up."""
        try:
            client = self._agent(python)
        except AgentDied:
            return None
        for name, state in self._imports.get(lane, {}).items():
            if state.status is ProbeStatus.OK and client.alive:
                client.import_module(name, self._import_budget_s)
        return client

    def _run_probe(self, client: AgentClient | None, probe: Probe) -> ProbeRecord:
        if client is None or not client.alive:
            return ProbeRecord(
                status=ProbeStatus.CRASHED,
                reason="the interpreter ended before this probe and could not be started again",
            )
        self._progress.started(probe.title, probe.budget_s)
        record = client.run(probe.entry, self._request(probe), probe.budget_s)
        self._progress.finished(probe.title, record.status is ProbeStatus.OK, record.seconds)
        return record

    def _request(self, probe: Probe) -> dict[str, Any]:
        return {
            "level": self._level.value,
            "model": msgspec.to_builtins(self._model) if self._model else None,
            "workload": msgspec.to_builtins(self._workload),
            "target": msgspec.to_builtins(self._target) if self._target else None,
            "inputs": {
                name: self._records[name].data for name in probe.inputs if name in self._records
            },
        }

    def _wait_for_inputs(self, probe: Probe) -> str:
        for name in probe.inputs:
            event = self._done.get(name)
            if event is not None:
                event.wait()
            if self._stopping.is_set():
                raise Interrupted
            record = self._records.get(name)
            if record is None or record.status is not ProbeStatus.OK:
                reason = record.reason if record else "it was not run"
                return f"needs the facts of {name}, which failed: {reason}"
        return ""

    def _missing_import(self, probe: Probe, lane: Lane) -> str:
        for name in imports_of(probe, self._model):
            state = self._imports[lane].get(name)
            if state is None or state.status is not ProbeStatus.OK:
                why = state.reason if state else "not tried"
                return f"{name} cannot be imported: {why}"
        return ""

    def _block(self, lane: Lane, reason: str) -> None:
        for probe in self._of(lane):
            self._records[probe.id] = ProbeRecord(status=ProbeStatus.BLOCKED, reason=reason)
            self._done[probe.id].set()

    def _agent(self, python: str) -> AgentClient:
        return AgentClient(python, self._roots, stop=self._stopping)
