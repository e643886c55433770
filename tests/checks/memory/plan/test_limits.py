"""A search for a limit tells what it knows when its time is over; forecasts made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from qvl_checks.memory.forecast import OutOfTime
from qvl_checks.memory.plan.limits import AT_LEAST, largest_batch, largest_square

GIB = 2**30
REQUEST = {
    "workload": {"images": [(280, 280)]},
    "model": {
        "path": None,
        "config": {
            "model_type": "qwen2_5_vl",
            "vision_config": {"patch_size": 14, "spatial_merge_size": 2},
        },
    },
}


class Forecast:
    """Each prompt takes an eighth of a GiB, each image 300 bytes a pixel, of 60 GiB; so many
    predictions are made."""

    def __init__(self, predictions: int) -> None:
        self.left = predictions

    @property
    def seconds_left(self) -> float:
        return float(self.left)

    def predict(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        if self.left <= 0:
            raise OutOfTime
        self.left -= 1
        need = changes.get("batch", 1) * GIB // 8
        need += sum(300 * width * height for width, height in changes.get("images", ()))
        device = {"usable_bytes": 60 * GIB, "peak_allocated_bytes": need}
        return {"fits": need <= 60 * GIB, "devices": [device]}


def test_enough_time_finds_the_largest_batch() -> None:
    found = largest_batch(Forecast(100), REQUEST)  # type: ignore[arg-type]
    assert found["bound"] is None
    assert 480 / 1.04 <= found["value"] <= 480


def test_what_is_known_to_fit_is_an_answer_when_time_is_over() -> None:
    found = largest_batch(Forecast(3), REQUEST)  # type: ignore[arg-type]
    assert found == {"value": 32, "bound": AT_LEAST}


def test_without_any_time_there_is_no_answer() -> None:
    with pytest.raises(OutOfTime):
        largest_batch(Forecast(0), REQUEST)  # type: ignore[arg-type]


def test_the_square_that_is_run_afterwards_is_known_for_sure_or_not_at_all() -> None:
    with pytest.raises(OutOfTime):
        largest_square(Forecast(3), REQUEST)  # type: ignore[arg-type]
