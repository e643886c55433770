"""What the libraries hold on a GPU, by its compute capability and by torch's release."""

from __future__ import annotations

from qvl_checks.memory.trace.workspace import lt_workspace_bytes, workspace_bytes


def test_hopper_takes_32_mib_and_its_predecessors_8() -> None:
    assert workspace_bytes((9, 0)) == 33_554_432
    assert workspace_bytes((8, 9)) == 8_519_680


def test_the_users_setting_counts() -> None:
    assert workspace_bytes((9, 0), ":16:8") == 131_072
    assert workspace_bytes((8, 0), ":4096:2:16:8") == 8_519_680


def test_linear_layers_with_a_bias_keep_a_mebibyte_from_torch_2_7_on() -> None:
    assert lt_workspace_bytes((2, 6), {}) == 0
    assert lt_workspace_bytes((2, 11), {}) == 2**20
    assert lt_workspace_bytes((2, 11), {"CUBLASLT_WORKSPACE_SIZE": "4096"}) == 4 * 2**20


def test_a_shared_workspace_is_not_counted_twice() -> None:
    assert lt_workspace_bytes((2, 11), {"TORCH_CUBLASLT_UNIFIED_WORKSPACE": "1"}) == 0
    assert lt_workspace_bytes((2, 14), {}) == 0
    assert lt_workspace_bytes((2, 14), {"TORCH_CUBLASLT_UNIFIED_WORKSPACE": "0"}) == 2**20
