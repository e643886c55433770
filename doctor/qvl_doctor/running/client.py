"""The doctor's side of one agent: starts it, gives it work with a deadline, says how it ended."""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qvl_doctor.facts import ImportState, ProbeRecord, ProbeStatus
from qvl_doctor.running.child import Child, kill_group, signal_name
from qvl_doctor.surrogates import without_surrogates

AGENT = Path(__file__).with_name("agent.py")
START_BUDGET_S = 30.0
VERSION_BUDGET_S = 5.0
KEPT_OUTPUT = 8000
"""Characters of a failed probe's output that are kept in the record."""


class Interrupted(Exception):
    """The user asked to stop while this agent was working."""


class AgentDied(Exception):
    """The agent ended instead of answering; the message is one sentence."""

    def __init__(
        self,
        reason: str,
        *,
        timed_out: bool = False,
        never_started: bool = False,
        code: int | None = None,
        pid: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.timed_out = timed_out
        self.never_started = never_started
        self.signal = signal_name(-code) if code is not None and code < 0 else ""
        self.exit_code = code if code is not None and code >= 0 else None
        self.abandoned_pid = pid
        self.output = ""
        """What it printed, when it died before it could greet."""


def target_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with what keeps the patient unharmed.

    Nothing is downloaded (offline switches) and nothing is written beside the installed packages.
    """
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # is_available() during an import would else start the driver, which no fork survives.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONUTF8": "1",
    }


def decode_frame(line: bytes) -> dict[str, Any] | None:
    """The frame, or None for what is none; halves of surrogate pairs, which nothing can write
    down as UTF-8, become escapes."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if b"\\ud" in line.lower():
        frame = without_surrogates(frame)
    return frame if isinstance(frame, dict) else None


def ask_version(python: str) -> str:
    """``2.7.18``, for an interpreter too old for the agent; empty when it is no Python."""
    question = "import sys; sys.stdout.write('\\nPython %d.%d.%d\\n' % sys.version_info[:3])"
    try:
        child = Child([python, "-c", question], target_environment(os.environ))
    except OSError:
        return ""
    answer = ""
    deadline = time.monotonic() + VERSION_BUDGET_S
    while not answer and (left := deadline - time.monotonic()) > 0:
        try:
            line = child.lines.get(timeout=left)
        except queue.Empty:
            break
        if line is None:
            break
        found = re.fullmatch(rb"Python (\d+\.\d+\.\d+)\r?", line)
        answer = found[1].decode() if found else ""
    child.kill()
    return answer


class AgentClient:
    """One agent process. Not shared between threads."""

    def __init__(
        self,
        python: str,
        roots: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Start the agent and wait for its greeting.

        When ``stop`` is set, by any thread, the work in hand ends and raises `Interrupted`.

        Raises:
            AgentDied: it did not greet: no Python, a broken one, or a hang.
        """
        self.interpreter: dict[str, Any] = {}
        self._token = secrets.token_hex(8)
        self._groups: set[int] = set()
        self._stop = stop or threading.Event()
        self._sent = 0
        """Id of the last command; 0 before the first, as in the greeting."""
        self.alive = True
        base = os.environ if environment is None else environment
        try:
            self._child = Child(
                [python, "-u", str(AGENT), self._token, json.dumps(dict(roots))],
                target_environment(base),
            )
        except OSError as error:
            self.alive = False
            raise AgentDied(
                f"{python} cannot be started: {error.strerror or error}", never_started=True
            ) from error
        try:
            frame = self._next_frame(time.monotonic() + START_BUDGET_S, START_BUDGET_S)
        except AgentDied as death:
            death.output = self.output()
            raise
        self.interpreter = frame.get("interpreter", {})

    def import_module(self, name: str, budget_s: float) -> ImportState:
        """Import one module in the agent itself, for all later probes to share."""
        started = time.monotonic()
        self._child.errors.take()
        try:
            self._command(started + budget_s, budget_s, op="import", name=name)
            frame = self._next_frame(started + budget_s, budget_s)
        except AgentDied as death:
            return ImportState(
                status=ProbeStatus.TIMED_OUT if death.timed_out else ProbeStatus.CRASHED,
                seconds=round(time.monotonic() - started, 3),
                reason=f"importing {name}: {death}",
                signal=death.signal,
                exit_code=death.exit_code,
                output=self.output(),
            )
        if frame["ok"]:
            data = frame["data"]
            return ImportState(
                status=ProbeStatus.OK,
                seconds=data["seconds"],
                version=data["version"],
                file=data["file"],
            )
        return ImportState(
            status=ProbeStatus.RAISED,
            seconds=round(time.monotonic() - started, 3),
            error_type=frame["error_type"],
            reason=" <- ".join(frame["chain"])[:KEPT_OUTPUT],
            output=frame["output"],
        )

    def run(self, entry: str, request: dict[str, Any], budget_s: float) -> ProbeRecord:
        """Run one probe; every way in which it can end becomes a record."""
        started = time.monotonic()
        deadline = started + budget_s
        self._child.errors.take()
        result: dict[str, Any] | None = None
        try:
            self._command(deadline, budget_s, op="run", entry=entry, request=request)
            while (frame := self._next_frame(deadline, budget_s))["event"] != "exited":
                if frame["event"] == "forked":
                    self._groups.add(frame["pid"])
                elif frame["event"] == "result":
                    result = frame
        except AgentDied as death:
            return ProbeRecord(
                status=ProbeStatus.TIMED_OUT if death.timed_out else ProbeStatus.CRASHED,
                reason=str(death),
                seconds=round(time.monotonic() - started, 3),
                signal=death.signal,
                exit_code=death.exit_code,
                abandoned_pid=death.abandoned_pid,
                output=self.output(),
            )
        # Whatever the probe left running in its group goes with it.
        for group in self._groups:
            kill_group(group)
        self._groups.clear()
        seconds = round(time.monotonic() - started, 3)
        if result is None:
            return self._ended_without_result(frame, seconds)
        if result["ok"]:
            return ProbeRecord(status=ProbeStatus.OK, data=result["data"], seconds=seconds)
        return ProbeRecord(
            status=ProbeStatus.RAISED,
            reason=" <- ".join(result["chain"])[:KEPT_OUTPUT],
            seconds=seconds,
            output=result["output"],
        )

    def close(self) -> None:
        """End the agent and everything that it started."""
        if self.alive:
            self.alive = False
            self._child.kill(*self._groups)

    def _ended_without_result(self, frame: dict[str, Any], seconds: float) -> ProbeRecord:
        number = frame.get("signal")
        if number is None:
            reason = f"the probe ended with exit code {frame.get('exit_code')} and no result"
        elif number == 9:
            reason = "the probe was killed by SIGKILL, as the kernel does when memory runs out"
        else:
            reason = f"the probe was ended by {signal_name(number)}"
        return ProbeRecord(
            status=ProbeStatus.CRASHED,
            reason=reason,
            seconds=seconds,
            signal=signal_name(number) if number is not None else "",
            exit_code=frame.get("exit_code"),
            output=self.output(),
        )

    def _command(self, until: float, budget_s: float, **command: Any) -> None:
        self._sent += 1
        command.update(id=self._sent, deadline=budget_s)
        rest = memoryview(json.dumps(command).encode() + b"\n")
        while rest:
            self._check_time(until, budget_s)
            try:
                rest = self._child.send(rest)
            except OSError:
                self._die()

    def _check_time(self, until: float, budget_s: float) -> float:
        """Seconds that are left; ends the agent when there are none, or when it shall stop."""
        if self._stop.is_set():
            self.close()
            raise Interrupted
        left = until - time.monotonic()
        if left <= 0:
            self._time_out(budget_s)
        return left

    def _next_frame(self, deadline: float, budget_s: float) -> dict[str, Any]:
        prefix = self._token.encode() + b" "
        while True:
            left = self._check_time(deadline, budget_s)
            try:
                line = self._child.lines.get(timeout=min(left, 0.1))
            except queue.Empty:
                # A fork of a dead agent keeps its pipe open, so the end of output never comes.
                if self._child.ended(0) is not None and self._child.lines.empty():
                    self._die()
                continue
            if line is None:
                self._die()
            elif line.startswith(prefix):
                frame = decode_frame(line[len(prefix) :])
                if frame is not None and frame.get("id") == self._sent:
                    return frame

    def _time_out(self, budget_s: float) -> None:
        state = self._child.state()
        self.alive = False
        if self._child.kill(*self._groups):
            raise AgentDied(f"no answer within {budget_s:g} s, so it was killed", timed_out=True)
        raise AgentDied(
            f"no answer within {budget_s:g} s, and it could not be killed "
            f"(state {state or 'unknown'}): process {self._child.pid} was left behind",
            timed_out=True,
            pid=self._child.pid,
        )

    def _die(self) -> None:
        """Its output ended: say how it went."""
        code = self._child.ended(1.0)
        self.alive = False
        gone = self._child.kill(*self._groups)
        if code is None:
            raise AgentDied(
                "it closed its output and did not answer, so it was killed",
                pid=None if gone else self._child.pid,
            )
        if code < 0:
            name = signal_name(-code)
            hint = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
            raise AgentDied(f"the interpreter was ended by {name}{hint}", code=code)
        raise AgentDied(f"the interpreter ended with exit code {code} and no answer", code=code)

    def output(self) -> str:
        """What the agent and its children printed since the last call, the end of it."""
        return self._child.errors.take()[-KEPT_OUTPUT:]
