"""Ctrl-C, a shutdown and a closed terminal end a run in order: children first, then the report."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
ENOUGH = 3
"""So many signals end also what is being written."""
WORDS = b"\nstopping: the children are ended, then what is known is written\n"


class Stop:
    """Whether somebody asked for an end."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: the user insists.
        """
        self.count += 1
        if self.count == 1:
            self._stop()
            with contextlib.suppress(OSError):
                os.write(2, WORDS)
        elif self.count >= ENOUGH:
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
