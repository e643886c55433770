"""The machine as a process sees it: system, processor, memory, limits, disk, environment."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qvl_checks.host.cgroup import limits
from qvl_checks.host.environment import SET_BY_THE_DOCTOR, relevant
from qvl_checks.host.guarded import Guarded, reason_of, valid

CPU_FLAGS = ("avx", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
"""Instruction sets that CPU kernels of torch ask for."""
NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASS = "0x03"
CONTAINER_FILES = (".dockerenv", "run/.containerenv")
CONTAINER_WORDS = ("docker", "kubepods", "containerd", "lxc", "podman")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Everything that can be read, without importing anything heavy."""
    return collect(Path("/"), os.environ)


def collect(root: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The same for a machine whose file system begins at ``root``."""
    host = Guarded()
    host.read("system", platform.system)
    host.read("kernel", platform.release)
    host.read("distribution", lambda: _distribution(root))
    host.read("libc", lambda: " ".join(platform.libc_ver()).strip() or None)
    host.read("architecture", platform.machine)
    host.read("cpu_model", lambda: _cpu_field(root, "model name") or platform.processor() or None)
    host.read("cpu_flags", lambda: _cpu_flags(root))
    host.read("cpu_count", os.cpu_count)
    host.read("cpu_affinity", _affinity)
    host.read("memory_total_bytes", lambda: _memory(root, "MemTotal"))
    host.read("memory_available_bytes", lambda: _memory(root, "MemAvailable"))
    host.read("swap_free_bytes", lambda: _memory(root, "SwapFree"))
    host.read("shared_memory_free_bytes", lambda: shutil.disk_usage(root / "dev/shm").free)
    host.read("cgroup", lambda: limits(root))
    host.read("container", lambda: _container(root, environment))
    host.read("wsl", lambda: "microsoft" in _text(root / "proc/version").lower())
    host.read("nvidia_devices_on_bus", lambda: _nvidia_on_bus(root))
    host.read("iommu_groups_active", lambda: any(os.scandir(root / "sys/class/iommu")))
    host.read("iommu_kernel_arguments", lambda: _iommu_arguments(root))
    return {
        **host.row(),
        "disks": [_disk(purpose, path) for purpose, path in _places(environment)],
        "environment": relevant(environment),
        "environment_set_by_doctor": sorted(SET_BY_THE_DOCTOR),
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _distribution(root: Path) -> str | None:
    fields = dict(
        line.split("=", 1) for line in _text(root / "etc/os-release").splitlines() if "=" in line
    )
    return fields.get("PRETTY_NAME", "").strip("\"'") or None


def _cpu_field(root: Path, name: str) -> str | None:
    try:
        text = _text(root / "proc/cpuinfo")
    except OSError:
        return None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _cpu_flags(root: Path) -> list[str] | None:
    listed = _cpu_field(root, "flags") or _cpu_field(root, "features")
    if listed is None:
        raise OSError("the processor's flags are not listed")
    return [flag for flag in CPU_FLAGS if flag in listed.split()]


def _affinity() -> int:
    if sys.platform == "win32" or not hasattr(os, "sched_getaffinity"):
        raise OSError("this system does not tell")
    return len(os.sched_getaffinity(0))


def _memory(root: Path, name: str) -> int:
    try:
        lines = _text(root / "proc/meminfo").splitlines()
    except OSError:
        if name != "MemTotal" or sys.platform == "win32":
            raise
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in lines:
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/meminfo does not list {name}")


def _container(root: Path, environment: Mapping[str, str]) -> str | None:
    """The sign by which it shows; None when nothing points to a container."""
    for name in CONTAINER_FILES:
        if (root / name).exists():
            return f"/{name} exists"
    for name in ("KUBERNETES_SERVICE_HOST", "container"):
        if name in environment:
            return f"${name} is set"
    try:
        first = _text(root / "proc/1/cgroup")
    except OSError:
        return None
    return next((f"/proc/1/cgroup names {word}" for word in CONTAINER_WORDS if word in first), None)


def _nvidia_on_bus(root: Path) -> int:
    """NVIDIA display controllers on the PCI bus, whether or not a driver answers."""
    return sum(
        _text(device / "vendor").strip() == NVIDIA_VENDOR
        and _text(device / "class").startswith(DISPLAY_CLASS)
        for device in (root / "sys/bus/pci/devices").iterdir()
    )


def _iommu_arguments(root: Path) -> list[str]:
    words = _text(root / "proc/cmdline").split()
    return [word for word in words if "iommu" in word.partition("=")[0] or "acs" in word]


def _places(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    home = environment.get("HF_HOME") or os.path.join(
        environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
        "huggingface",
    )
    cache = environment.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    try:
        temporary = tempfile.gettempdir()
    except OSError:  # no folder for temporary files can be written
        temporary = environment.get("TMPDIR") or "/tmp"
    try:
        working = os.getcwd()
    except OSError:  # it was deleted
        working = "."
    return [("working folder", working), ("temporary files", temporary), ("model cache", cache)]


def _disk(purpose: str, path: str) -> dict[str, Any]:
    """Free space where ``path`` is, or would be created."""
    row: dict[str, Any] = {"purpose": purpose, "path": valid(path), "exists": os.path.isdir(path)}
    nearest = Path(os.path.abspath(path)) if os.path.isabs(path) else Path(path)
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        usage = shutil.disk_usage(nearest)
    except OSError as error:
        return {**row, "reason": reason_of(error)}
    return {
        **row,
        "free_bytes": usage.free,
        "total_bytes": usage.total,
        "writable": os.access(nearest, os.W_OK),
    }
