"""PCIe ports and links as Linux shows them in sysfs, without root as far as that goes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ADDRESS = re.compile(r"^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")
HEADER_BYTES = 64
"""What a process without root may read of a device's configuration."""
EXTENDED_FROM = 0x100
ACS_CAPABILITY = 0x000D
ACS_CONTROL = 6
REQUEST_REDIRECT = 1 << 2
"""Bits of the PCI Express specification, "Access Control Services"."""


def sysfs_address(bus_id: str) -> str:
    """``0000:3b:00.0`` for NVML's ``00000000:3B:00.0``."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def device_folder(root: Path, address: str) -> Path:
    """Where a device stands in the tree of buses.

    Raises:
        OSError: there is no such device, or no sysfs.
    """
    return (root / "sys/bus/pci/devices" / address).resolve(strict=True)


def bridges_above(folder: Path) -> list[Path]:
    """The ports between the root and a device, the root's first."""
    return [parent for parent in reversed(folder.parents) if ADDRESS.match(parent.name)]


def acs_redirects(folder: Path) -> bool | None:
    """Whether a port redirects transfers between its devices; None: it has no such control.

    Raises:
        PermissionError: the configuration beyond its header is not readable.
    """
    config = (folder / "config").read_bytes()
    if len(config) <= HEADER_BYTES:
        raise PermissionError("the PCI configuration beyond its header is readable by root only")
    place = EXTENDED_FROM
    seen = set()
    while place and place not in seen and place + 8 <= len(config):
        seen.add(place)
        header = int.from_bytes(config[place : place + 4], "little")
        if header & 0xFFFF == ACS_CAPABILITY:
            start = place + ACS_CONTROL
            control = int.from_bytes(config[start : start + 2], "little")
            return bool(control & REQUEST_REDIRECT)
        place = header >> 20
    return None


def link(folder: Path) -> dict[str, Any] | None:
    """Width and speed of a device's link now and at most; None where it has none."""
    fields = {
        "width": _whole(folder / "current_link_width"),
        "width_max": _whole(folder / "max_link_width"),
        "gt_per_s": _speed(folder / "current_link_speed"),
        "gt_per_s_max": _speed(folder / "max_link_speed"),
    }
    return fields if any(value is not None for value in fields.values()) else None


def group_type(root: Path, folder: Path) -> str | None:
    """What the IOMMU does with a device's transfers; None where none is in charge of it."""
    group = folder / "iommu_group"
    if not group.exists():
        return None
    kind = root / "sys/kernel/iommu_groups" / group.resolve().name / "type"
    return kind.read_text(encoding="ascii", errors="replace").strip() or None


def _whole(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() and int(text) else None


def _speed(path: Path) -> float | None:
    match = re.match(r"(\d+(?:\.\d+)?) GT/s", _text(path))
    return float(match[1]) if match else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
