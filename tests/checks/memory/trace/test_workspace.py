"""What the libraries hold on a GPU, by its compute capability."""

from __future__ import annotations

from qvl_checks.memory.trace.workspace import workspace_bytes


def test_hopper_takes_32_mib_and_its_predecessors_8() -> None:
    assert workspace_bytes((9, 0)) == 33_554_432
    assert workspace_bytes((8, 9)) == 8_519_680


def test_the_users_setting_counts() -> None:
    assert workspace_bytes((9, 0), ":16:8") == 131_072
    assert workspace_bytes((8, 0), ":4096:2:16:8") == 8_519_680
