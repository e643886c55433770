"""One child process that cannot hurt the doctor: bounded output, bounded waiting, group kill.

``subprocess.run(timeout=...)`` kills the child and then waits for it without a bound; a child in
uninterruptible sleep would hang the doctor with it. Here every wait has a bound, and a child that
does not die is left behind and named. Whoever the child started carries a mark in its environment,
by which also those are found and ended that left its process group.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

KILL_WAIT_S = 3.0
"""How long a killed process may take to disappear before it is abandoned."""
HEAD_BYTES = 16 * 1024
TAIL_BYTES = 16 * 1024
LINE_BYTES = 64 * 1024 * 1024
"""A longer line is not an answer; it is dropped."""
CHUNK_BYTES = 1 << 16
SEND_WAIT_S = 0.1
MARK = "QVL_DOCTOR_CHILD"
"""Environment variable that tells a child's descendants from everybody else's processes."""


class BoundedText:
    """The beginning and the end of a stream; the middle of a flood is counted, not kept."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()

    def write(self, chunk: bytes) -> None:
        """Keep what fits."""
        with self._lock:
            room = HEAD_BYTES - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:] if room > 0 else chunk
            if len(self._tail) > 2 * TAIL_BYTES:
                self._dropped += len(self._tail) - TAIL_BYTES
                del self._tail[:-TAIL_BYTES]

    def take(self) -> str:
        """What has come since the last call, bytes that are not UTF-8 shown as escapes."""
        with self._lock:
            gap = f"\n[... {self._dropped} bytes left out ...]\n".encode() if self._dropped else b""
            raw = bytes(self._head) + gap + bytes(self._tail)
            self._head.clear()
            self._tail.clear()
            self._dropped = 0
        return raw.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")


class Child:
    """A process that leads its own group and answers in lines on standard output."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            OSError: the program cannot be started.
        """
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        """Lines of standard output; None when it ended."""
        self.errors = BoundedText()
        self._mark = secrets.token_hex(8)
        self._process = subprocess.Popen(
            list(argv),
            env={**environment, MARK: self._mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None and self._process.stderr is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        # Daemon threads: a grandchild that keeps a pipe open must not keep the doctor alive.
        self._error_pump = threading.Thread(
            target=self._pump_errors, args=(self._process.stderr,), daemon=True
        )
        answer_pump = threading.Thread(
            target=self._pump_lines, args=(self._process.stdout,), daemon=True
        )
        try:
            self._error_pump.start()
            answer_pump.start()
        except RuntimeError as error:
            kill_group(self.pid)
            raise OSError(errno.EAGAIN, "the system allows no further thread") from error

    @property
    def pid(self) -> int:
        """Also the id of its process group."""
        return self._process.pid

    def send(self, line: memoryview) -> memoryview:
        """Write to its standard input what it takes; return the rest.

        A child that does not read costs at most `SEND_WAIT_S`.

        Raises:
            OSError: nobody reads any more.
        """
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        try:
            return line[os.write(pipe, line) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(pipe, select.POLLOUT)
            poll.poll(SEND_WAIT_S * 1000)
            return line

    def ended(self, within_s: float) -> int | None:
        """Its return code (negative: signal) if it ends within the time."""
        deadline = time.monotonic() + within_s
        while (code := self._process.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if code is not None:
            self._error_pump.join(0.5)
        return code

    def kill(self, *groups: int) -> bool:
        """Kill it, these process groups and all who carry its mark; False when it could not be
        made to go away."""
        for group in (*groups, self.pid):
            kill_group(group)
        kill_marked(self._mark)
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        return self.ended(KILL_WAIT_S) is not None

    def state(self) -> str:
        """The kernel's word for what it does (Linux): "D (disk sleep)"; empty if unknown."""
        return process_state(self.pid)

    def _pump_errors(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            while chunk := os.read(stream.fileno(), CHUNK_BYTES):
                self.errors.write(chunk)

    def _pump_lines(self, stream: IO[bytes]) -> None:
        pending = bytearray()
        with contextlib.suppress(OSError, ValueError), stream:
            while chunk := os.read(stream.fileno(), CHUNK_BYTES):
                *complete, rest = chunk.split(b"\n")
                for line in complete:
                    self.lines.put(bytes(pending) + line)
                    pending.clear()
                pending += rest
                if len(pending) > LINE_BYTES:
                    pending.clear()
        self.lines.put(None)


def kill_group(group: int) -> None:
    """SIGKILL to a process group, and to its leader where groups do not exist."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(group, signal.SIGKILL)
        else:
            os.kill(group, signal.SIGTERM)


def kill_marked(mark: str) -> None:
    """SIGKILL to every process whose environment holds this mark (where there is a /proc)."""
    wanted = f"{MARK}={mark}".encode()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            # Processes end while we look, and those of others cannot be looked into.
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in Path(entry.path, "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)


def process_state(pid: int) -> str:
    """The ``State:`` line of /proc, or an empty string where there is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in status.splitlines():
        if line.startswith("State:"):
            return line.partition(":")[2].strip()
    return ""


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
