"""A few questions to the driver from inside the target, which lacks the binding; in the target.

What a card does under load can only be asked while this process loads it. Only numbers are read;
a question that is refused is answered with None.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
SM_CLOCK = 1
CORE_TEMPERATURE = 0


class Nvml:
    """The driver's management library, by its C interface."""

    def __init__(self) -> None:
        """Load and start it.

        Raises:
            OSError: there is none, or it does not start.
        """
        self._library = ctypes.CDLL(LIBRARY)
        code = self._library.nvmlInit_v2()
        if code:
            raise OSError(f"NVML does not start (error {code})")

    def close(self) -> None:
        """Let go of the driver."""
        self._library.nvmlShutdown()

    def card(self, uuid: str) -> Card:
        """The card with this identifier.

        Raises:
            OSError: the driver shows no such card.
        """
        handle = ctypes.c_void_p()
        name = f"GPU-{uuid.removeprefix('GPU-')}".encode()
        code = self._library.nvmlDeviceGetHandleByUUID(name, ctypes.byref(handle))
        if code:
            raise OSError(f"the driver does not show GPU {uuid} (error {code})")
        return Card(self._library, handle)


class Card:
    """One card."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def reading(self) -> dict[str, int | None]:
        """What changes under load; clocks in MHz, power in mW, temperature in °C."""
        return {
            "sm_clock_mhz": self._number("nvmlDeviceGetClockInfo", SM_CLOCK),
            "temperature_c": self._number("nvmlDeviceGetTemperature", CORE_TEMPERATURE),
            "power_mw": self._number("nvmlDeviceGetPowerUsage"),
            "pcie_generation": self._number("nvmlDeviceGetCurrPcieLinkGeneration"),
            "pcie_width": self._number("nvmlDeviceGetCurrPcieLinkWidth"),
            "throttle_mask": self._number(
                "nvmlDeviceGetCurrentClocksThrottleReasons", answer=ctypes.c_ulonglong
            ),
        }

    def _number(self, question: str, *details: int, answer: Any = ctypes.c_uint) -> int | None:
        function = getattr(self._library, question, None)
        if function is None:
            return None
        place = answer()
        code = function(self._handle, *details, ctypes.byref(place))
        return None if code else int(place.value)
