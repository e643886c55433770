"""Ctrl-C, a shutdown and a closed terminal end a run in order: children first, then the report."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
PATIENCE_S = 6.0
"""A signal so long after the first one ends also what is being written."""
WORDS = b"\nstopping: the children are ended, then what is known is written\n"


class Stop:
    """Whether somebody asked for an end."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.asked_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: the user insists.
        """
        if self.asked_at is None:
            self.asked_at = time.monotonic()
            self._stop()
            with contextlib.suppress(OSError):
                os.write(2, WORDS)
        elif time.monotonic() - self.asked_at > PATIENCE_S:
            raise KeyboardInterrupt


@contextlib.contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[Stop]:
    """Call ``stop`` at the first signal instead of dying of it; ignored signals stay ignored."""
    handler = Stop(stop)
    before = {}
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield handler
    finally:
        for number, old in before.items():
            signal.signal(number, old)
