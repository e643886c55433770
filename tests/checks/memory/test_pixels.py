"""Image sizes after the processor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qvl_checks.memory.pixels import limits, resized


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2048, 1365), (2044, 1372)),  # 146 x 98 = 14308 patches
        ((1680, 1680), (1680, 1680)),
        ((3584, 3584), (3584, 3584)),  # exactly the published limit
        ((8000, 6000), (4116, 3080)),
        ((10, 10), (56, 56)),
    ],
)
def test_known_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized(*size, 28, *limits(14, None)) == expected


def test_limits_of_a_checkpoint(tmp_path: Path) -> None:
    settings = tmp_path / "preprocessor_config.json"
    settings.write_text(json.dumps({"min_pixels": 3136, "max_pixels": 1003520}))
    assert limits(14, str(tmp_path)) == (3136, 1003520)
    settings.write_text(json.dumps({"size": {"shortest_edge": 65536, "longest_edge": 1048576}}))
    assert limits(16, str(tmp_path)) == (65536, 1048576)


@pytest.mark.parametrize("content", ["", "[]", '{"size": 5, "max_pixels": "many"}'])
def test_unreadable_settings_mean_the_published_limits(tmp_path: Path, content: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(content)
    assert limits(14, str(tmp_path)) == limits(14, None) == (3136, 12845056)
