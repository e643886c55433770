"""Keeps devices busy with matrix products and reads meanwhile how they fare. In the target."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qvl_checks.devices.room import synchronize
from qvl_checks.devices.stopwatch import Stopwatch

Reading = Mapping[str, Any]
BATCH_S = 0.02
"""How long one device is left to itself between two readings."""
MOST_PRODUCTS = 200
HOST_BYTES = 64 << 20
HIGHEST = ("temperature_c", "power_mw", "pcie_generation", "pcie_width")
"""Of these the highest reading counts, of the clock the median."""


class Work:
    """What one device is to do again and again."""

    def __init__(self, torch: Any, device: str, size: int) -> None:
        cuda = torch.device(device).type == "cuda"
        self._torch = torch
        self.device = device
        self._flop = 2 * size**3
        dtype = torch.float16 if cuda else torch.float32
        self._a = torch.randn(size, size, device=device).to(dtype)
        self._b = torch.randn(size, size, device=device).to(dtype)
        self._product = torch.empty_like(self._a)
        count = HOST_BYTES if cuda else size * size
        self._host = torch.zeros(count, dtype=torch.uint8, pin_memory=cuda)
        self._place = torch.empty(count, dtype=torch.uint8, device=device)
        self._computing = Stopwatch(torch, device)
        self._sending = Stopwatch(torch, device)
        self.tflops: list[float] = []
        self.host_gb_per_s: list[float] = []
        self.products = 1
        self.round()  # the libraries load
        synchronize(torch, device)
        self.round()
        self.finish()
        once = self._flop / (self.tflops[-1] * 1e12)
        self.products = max(1, min(MOST_PRODUCTS, round(BATCH_S / once)))
        self.tflops.clear()
        self.host_gb_per_s.clear()

    def round(self) -> None:
        """Start one batch of products and one transfer from the host; waits for nothing."""
        self._computing.start()
        for _ in range(self.products):
            self._torch.mm(self._a, self._b, out=self._product)
        self._computing.stop()
        self._sending.start()
        self._place.copy_(self._host, non_blocking=True)
        self._sending.stop()

    def finish(self) -> None:
        """Wait for the batch and note its speed."""
        computing = max(self._computing.seconds(), 1e-9)
        sending = max(self._sending.seconds(), 1e-9)
        self.tflops.append(self.products * self._flop / computing / 1e12)
        self.host_gb_per_s.append(self._host.numel() / sending / 1e9)


def load_devices(
    torch: Any,
    devices: Sequence[str],
    size: int,
    seconds: float,
    read: Callable[[str], Reading],
) -> list[dict[str, Any]]:
    """All devices at once for so many seconds; one row each, see `LoadedGpu` of the facts."""
    with torch.no_grad():
        works = [Work(torch, device, size) for device in devices]
        readings: dict[str, list[Reading]] = {device: [] for device in devices}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for work in works:
                work.round()
            for device in devices:
                readings[device].append(read(device))
            for work in works:
                work.finish()
    return [{**_speeds(work), **summary(readings[work.device])} for work in works]


def summary(readings: Sequence[Reading]) -> dict[str, Any]:
    """Many readings of one device as one row; what was never readable is None."""
    row: dict[str, Any] = {"readings": len(readings)}
    clocks = _known(readings, "sm_clock_mhz")
    row["sm_clock_mhz"] = int(statistics.median(clocks)) if clocks else None
    for name in HIGHEST:
        row[name] = max(_known(readings, name), default=None)
    masks = _known(readings, "throttle_mask")
    bits = {1 << place for mask in masks for place in range(mask.bit_length()) if mask >> place & 1}
    row["throttle_shares"] = (
        {str(bit): sum(bool(mask & bit) for mask in masks) / len(masks) for bit in sorted(bits)}
        if masks
        else None
    )
    return row


def _known(readings: Sequence[Reading], name: str) -> list[int]:
    return [reading[name] for reading in readings if reading.get(name) is not None]


def _speeds(work: Work) -> dict[str, Any]:
    return {
        "tflops": round(statistics.median(work.tflops), 3),
        "host_gb_per_s": round(statistics.median(work.host_gb_per_s), 3),
    }
