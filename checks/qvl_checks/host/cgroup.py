"""What the control group grants this process. Runs in the target: standard library only.

Formats: the kernel's cgroup-v2 and cgroup-v1 (memory, cpu) documentation. A limit of an ancestor
binds its descendants, so the smallest one on the way to the root counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

UNLIMITED_V1 = 1 << 60
"""v1 writes "no limit" as a number near 2**63, rounded down to pages."""


def limits(root: Path) -> dict[str, Any]:
    """``version``, ``memory_limit_bytes``, ``memory_used_bytes``, ``cpus``; None: no limit.

    ``root`` is the file system's root. Raises OSError where there are no control groups.
    """
    mount = root / "sys/fs/cgroup"
    lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    groups = dict(_controllers(line) for line in lines if line.count(":") >= 2)
    if (mount / "cgroup.controllers").exists():
        return _version_2(mount, groups.get("", "/"))
    memory = _controller(groups, "memory")
    cpu = _controller(groups, "cpu")
    if memory is None and cpu is None:
        raise OSError("no memory or cpu controller is mounted")
    return _version_1(mount, memory or "/", cpu or "/")


def _controllers(line: str) -> tuple[str, str]:
    _, names, path = line.split(":", 2)
    return names, path


def _controller(groups: dict[str, str], name: str) -> str | None:
    return next((path for names, path in groups.items() if name in names.split(",")), None)


def _chain(mount: Path, group: str) -> list[Path]:
    """The group's folder and its ancestors'; a container often sees only the mount itself."""
    folder = mount / group.lstrip("/")
    chain = [folder, *folder.parents]
    return [path for path in chain if path == mount or mount in path.parents]


def _numbers(folders: list[Path], name: str) -> list[int]:
    found = []
    for folder in folders:
        try:
            text = (folder / name).read_text(encoding="ascii").split()[0]
        except (OSError, ValueError, IndexError):
            continue
        if text.lstrip("-").isdigit():
            found.append(int(text))
    return found


def _version_2(mount: Path, group: str) -> dict[str, Any]:
    chain = _chain(mount, group)
    quotas = []
    for folder in chain:
        try:
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            continue
        if quota.isdigit() and period.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    return {
        "version": 2,
        "memory_limit_bytes": min(_numbers(chain, "memory.max"), default=None),
        "memory_used_bytes": next(iter(_numbers(chain, "memory.current")), None),
        "cpus": min(quotas, default=None),
    }


def _version_1(mount: Path, memory: str, cpu: str) -> dict[str, Any]:
    memory_chain = _chain(mount / "memory", memory)
    bounds = [
        number
        for number in _numbers(memory_chain, "memory.limit_in_bytes")
        if number < UNLIMITED_V1
    ]
    quotas = []
    for folder in _chain(mount / "cpu", cpu):
        quota = _numbers([folder], "cpu.cfs_quota_us")
        period = _numbers([folder], "cpu.cfs_period_us")
        if quota and period and quota[0] > 0 and period[0] > 0:
            quotas.append(quota[0] / period[0])
    return {
        "version": 1,
        "memory_limit_bytes": min(bounds, default=None),
        "memory_used_bytes": next(iter(_numbers(memory_chain, "memory.usage_in_bytes")), None),
        "cpus": min(quotas, default=None),
    }
