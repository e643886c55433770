"""When a second interpreter is started beside the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from qvl_doctor.running import room

GIB_IN_KB = 1 << 20


@pytest.mark.parametrize(
    ("available_gib", "limits", "cores", "expected"),
    [
        (64, {}, 16, True),
        (64, {}, 2, True),
        (64, {}, 1, False),
        (4, {}, 16, False),
        (64, {"memory.max": "max\n"}, 16, True),
        (64, {"memory.max": f"{4 << 30}\n"}, 16, False),
        (64, {"memory/memory.limit_in_bytes": f"{2 << 30}\n"}, 16, False),
        (64, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16, True),
        (None, {}, 16, False),
    ],
)
def test_cores_and_memory_decide(
    tmp_path: Path, available_gib: int | None, limits: dict[str, str], cores: int, expected: bool
) -> None:
    (tmp_path / "proc").mkdir()
    if available_gib is not None:
        kilobytes = available_gib * GIB_IN_KB
        text = f"MemTotal:  99 kB\nMemAvailable:   {kilobytes} kB\nBuffers: 1 kB\n"
        (tmp_path / "proc/meminfo").write_text(text)
    for name, text in limits.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert room.for_two(tmp_path, cores) is expected


def test_this_machine_can_be_asked() -> None:
    assert room.for_two() in (True, False)
