"""One examination: which probes run, in which process, in which order; from wishes to a record.

Three lanes run side by side, each a thread with one agent: *light* (target, no heavy import),
*heavy* (target; torch, transformers and the model class are imported once, every probe runs in a
fork of that) and *doctor* (the doctor's own interpreter, for host facts such as NVML). Inside a
lane, and between lanes where one probe needs another's facts, the order is one topological order
of all probes, so the lanes cannot wait for each other in a circle.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Literal, Protocol

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
from qvl_doctor.running.client import AgentClient, AgentDied, Interrupted, ask_version
from qvl_doctor.target import Choice

MODEL_IMPORTS = "model"
"""In `Probe.imports`: whatever the examined model's class needs."""
OLDEST_PYTHON = (3, 9)
JOIN_S = 0.05
LAST_WORDS = 300
"""Characters of an interpreter's last line that go into the sentence about it."""
STOP_WAIT_S = 8.0
"""How long the lanes get to end their children."""

Lane = Literal["light", "heavy", "doctor"]


class Progress(Protocol):
    """Where the run tells what it does; called from several threads."""

    def started(self, title: str, budget_s: float) -> None:
        """Something began that may take this long."""

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """It ended."""


class Silent:
    """Progress for nobody."""

    def started(self, title: str, budget_s: float) -> None:
        """Nothing."""

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """Nothing."""


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
    ) -> None:
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
        self._imports: dict[str, ImportState] = {}
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
            for lane in ("light", "heavy", "doctor")
            if any(lane_of(probe) == lane for probe in self._order) or lane == "light"
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
            or TargetFacts(
                python=self._choice.python,
                chosen_because=self._choice.because,
                runs=False,
                reason=f"{self._cut_off().reason} before it answered",
            ),
            ImportsFacts(modules=dict(self._imports)),
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
            {"light": self._light, "heavy": self._heavy, "doctor": self._doctor}[lane]()
        except Interrupted:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            for probe in self._order:
                if lane_of(probe) == lane:
                    self._done[probe.id].set()

    def _light(self) -> None:
        try:
            client = self._agent(self._choice.python)
        except AgentDied as death:
            reason = why_unusable(self._choice.python, death)
            self._target = self._describe({}, reason, death.output)
            return self._block("light", reason)
        self._target = self._describe(client.interpreter)
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

    def _heavy(self) -> None:
        try:
            client = self._agent(self._choice.python)
        except AgentDied as death:
            return self._block("heavy", why_unusable(self._choice.python, death))
        if tuple(map(int, client.interpreter["version"].split(".")[:2])) < OLDEST_PYTHON:
            client.close()
            return self._block("heavy", too_old(client.interpreter["version"]))
        wishes = self._wished_imports()
        for position, name in enumerate(wishes):
            self._progress.started(f"importing {name}", self._import_budget_s)
            state = client.import_module(name, self._import_budget_s)
            self._imports[name] = state
            self._progress.finished(
                f"importing {name}", state.status is ProbeStatus.OK, state.seconds
            )
            if not client.alive:
                for later in wishes[position + 1 :]:
                    self._imports[later] = ImportState(
                        status=ProbeStatus.BLOCKED,
                        reason=f"not tried: importing {name} ended the interpreter",
                    )
                break
        self._run_lane("heavy", client, self._choice.python)
        return None

    def _wished_imports(self) -> list[str]:
        wishes: dict[str, None] = {}
        for probe in self._order:
            for name in self._expand(probe.imports):
                wishes[name] = None
        return list(wishes)

    def _expand(self, imports: tuple[str, ...]) -> tuple[str, ...]:
        model = self._model.heavy_imports if self._model else ()
        return tuple(
            name for wish in imports for name in (model if wish == MODEL_IMPORTS else (wish,))
        )

    def _run_lane(self, lane: Lane, client: AgentClient | None, python: str) -> None:
        """Run the lane's probes one after another, with a new agent whenever one died."""
        for probe in self._order:
            if lane_of(probe) != lane:
                continue
            reason = self._wait_for_inputs(probe) or self._missing_import(probe)
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
        if lane == "heavy":
            for name, state in self._imports.items():
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

    def _missing_import(self, probe: Probe) -> str:
        for name in self._expand(probe.imports):
            state = self._imports.get(name)
            if state is None or state.status is not ProbeStatus.OK:
                why = state.reason if state else "not tried"
                return f"{name} cannot be imported: {why}"
        return ""

    def _block(self, lane: Lane, reason: str) -> None:
        for probe in self._order:
            if lane_of(probe) == lane:
                self._records[probe.id] = ProbeRecord(status=ProbeStatus.BLOCKED, reason=reason)
                self._done[probe.id].set()

    def _agent(self, python: str) -> AgentClient:
        return AgentClient(python, self._roots, stop=self._stopping)

    def _describe(
        self, interpreter: dict[str, Any], reason: str = "", output: str = ""
    ) -> TargetFacts:
        version = interpreter.get("version", "")
        if version and tuple(map(int, version.split(".")[:2])) < OLDEST_PYTHON:
            reason = too_old(version)
        return TargetFacts(
            python=self._choice.python,
            chosen_because=self._choice.because,
            runs=not reason,
            reason=reason,
            output=output,
            **{key: interpreter[key] for key in interpreter if key != "import_path"},
            import_path=tuple(interpreter.get("import_path", ())),
        )


def lane_of(probe: Probe) -> Lane:
    """Where a probe runs."""
    if probe.where == "doctor":
        return "doctor"
    return "heavy" if probe.imports else "light"


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
    if tuple(map(int, version.split("."))) < OLDEST_PYTHON:
        return too_old(version)
    return f"the target interpreter does not run: {death}{said}"


def in_order(wanted: Iterable[str], probes: Mapping[str, Probe]) -> list[str]:
    """The wanted probes and their inputs, inputs first; GPU-heavy ones as late as possible.

    Raises:
        ValueError: a probe waits for itself.
    """
    order: list[str] = []
    underway: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name not in probes:
            return
        if name in underway:
            raise ValueError(f"probe {name} waits for itself")
        underway.add(name)
        for needed in probes[name].inputs:
            visit(needed)
        order.append(name)

    for name in sorted(wanted, key=lambda name: (name in probes and probes[name].gpu, name)):
        visit(name)
    return order
