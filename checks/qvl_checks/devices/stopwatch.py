"""Time on a device: CUDA events where there are any, else the host's clock. In the target."""

from __future__ import annotations

import time
from typing import Any


class Stopwatch:
    """Measures what is started on one device between two calls."""

    def __init__(self, torch: Any, device: str) -> None:
        self._torch = torch
        self._device = torch.device(device)
        self._cuda = self._device.type == "cuda"
        self._begun: Any = None
        self._ended: Any = None

    def start(self) -> None:
        """From here; work that was started before is not counted."""
        self._begun = self._now()

    def stop(self) -> None:
        """To here; does not wait for the work."""
        self._ended = self._now()

    def seconds(self) -> float:
        """Waits for the work and tells how long it took."""
        if not self._cuda:
            return float(self._ended - self._begun)
        self._ended.synchronize()
        return float(self._begun.elapsed_time(self._ended)) / 1000

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = self._torch.cuda.Event(enable_timing=True)
        event.record(self._torch.cuda.current_stream(self._device))
        return event
