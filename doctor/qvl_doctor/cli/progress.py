"""Live progress on standard error: what runs now, how long it may take, how to stop it."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TextIO

from qvl_doctor.probe import Level
from qvl_doctor.target import Choice

COST = {
    Level.QUICK: "takes seconds",
    Level.STANDARD: "takes about a minute",
    Level.DEEP: "takes minutes and runs the full-size model on the GPU",
}


class Lines(AbstractContextManager["Lines"]):
    """One line for each thing that begins or ends; for logs and pipes."""

    def __init__(self, stream: TextIO, heading: str) -> None:
        self._stream = stream
        self._heading = heading
        self._lock = threading.Lock()

    def __enter__(self) -> Lines:
        self._say(self._heading)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put away."""

    def started(self, title: str, budget_s: float) -> None:
        """Say what begins."""
        self._say(f"  … {title} (at most {budget_s:g} s)")

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """Say how it ended."""
        self._say(f"  {'✓' if ok else '✗ failed:'} {title} ({seconds:.1f} s)")

    def _say(self, text: str) -> None:
        with self._lock:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError, UnicodeEncodeError):
                return  # progress is a courtesy: a closed or odd terminal must not end the run


class Status(Lines):
    """One live line that names everything under way."""

    def __init__(self, stream: TextIO, heading: str) -> None:
        super().__init__(stream, heading)
        from rich.console import Console
        from rich.status import Status as Spinner

        self._underway: dict[str, float] = {}
        self._spinner = Spinner("starting", console=Console(file=stream))

    def __enter__(self) -> Status:
        super().__enter__()
        with suppress(OSError, ValueError):
            self._spinner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError, ValueError):
            self._spinner.stop()

    def started(self, title: str, budget_s: float) -> None:
        """Show it in the live line."""
        with self._lock:
            self._underway[title] = budget_s
            self._show()

    def finished(self, title: str, ok: bool, seconds: float) -> None:
        """Take it out of the live line; say so if it failed."""
        with self._lock:
            self._underway.pop(title, None)
            self._show()
        if not ok:
            self._say(f"  ✗ failed: {title} ({seconds:.1f} s)")

    def _show(self) -> None:
        from rich.text import Text

        parts = [f"{title} (≤ {budget:g} s)" for title, budget in self._underway.items()]
        self._spinner.update(Text(" · ".join(parts) or "finishing"))


def progress(stream: TextIO, choice: Choice, level: Level) -> Lines:
    """The fitting display for a terminal or for a log."""
    heading = (
        f"Examining {choice.python} ({choice.because}).\n"
        f"Level {level.value}: {COST[level]}. Ctrl-C stops it and still writes what is known."
    )
    return Status(stream, heading) if stream.isatty() else Lines(stream, heading)
