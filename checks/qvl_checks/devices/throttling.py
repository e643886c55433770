"""Why a card runs below its clock: the bits of nvmlClocksEventReasons in the NVML reference."""

from __future__ import annotations

POWER_CAP = 0x4
CLOCKS_SETTING = 0x2
REASONS = {
    0x1: "idle",
    CLOCKS_SETTING: "application clocks setting",
    POWER_CAP: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks setting",
}
TROUBLE = (0x8, 0x20, 0x40, 0x80)
"""Those that a healthy, well cooled and well fed card does not show."""


def names_of(mask: int) -> list[str]:
    """Every reason whose bit is set."""
    return [name for bit, name in REASONS.items() if mask & bit]
