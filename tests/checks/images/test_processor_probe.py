"""The probe on the installed transformers, and on processors with the known faults built in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from qvl_checks.images import measuring
from qvl_checks.images.styles import PIXELS, STYLES, floor_of, limit_of, style_of
from qvl_checks.images.ways import BOTH, CAP_PIXELS, RECOMMENDED, SIZE, WAYS
from qvl_checks.memory.pixels import resized

PICTURE = SimpleNamespace(size=(2048, 1365))


class Grid(list[Any]):
    """A tensor as far as it is looked at."""

    def tolist(self) -> list[Any]:
        return list(self)


class Right:
    """Does what it is told, in every way."""

    size: ClassVar[Any] = None
    patch_size, merge_size = 14, 2

    def __init__(self, **told: Any) -> None:
        self.size = {"shortest_edge": 3136, "longest_edge": 12_845_056}
        self.take(told)

    def take(self, told: dict[str, Any]) -> None:
        self.size = {**self.size, **told.get("size", {})}
        if "max_pixels" in told:
            self.size["longest_edge"] = told["max_pixels"]

    def limit(self) -> int:
        return int(getattr(self, "max_pixels", self.size["longest_edge"]))

    def __call__(self, images: list[Any], return_tensors: str, **told: Any) -> dict[str, Any]:
        self.take(told)
        wide, high = resized(*images[0].size, 28, 3136, self.limit())
        return {"image_grid_thw": [Grid([1, high // 14, wide // 14])]}


class Leaking(Right):
    """Keeps its limits in the class, as the fast class did up to 5.17."""

    shared: ClassVar[dict[str, int]] = {"shortest_edge": 3136, "longest_edge": 1_003_520}
    size = shared

    def __init__(self, **told: Any) -> None:
        if "max_pixels" in told:
            self.shared["longest_edge"] = told["max_pixels"]

    def limit(self) -> int:
        return self.shared["longest_edge"]


class Stubborn(Right):
    """Ignores whatever is asked for."""

    def take(self, told: dict[str, Any]) -> None:
        pass

    def limit(self) -> int:
        return 12_845_056


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformers that has the faulty classes."""
    classes = {"Right": Right, "Leaking": Leaking, "Stubborn": Stubborn}
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(**classes))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=lambda n: None))
    monkeypatch.setattr(Leaking, "shared", {"shortest_edge": 3136, "longest_edge": 1_003_520})
    monkeypatch.setattr(Leaking, "size", Leaking.shared)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"default"}))
def test_ways_that_hold_and_ways_that_are_ignored(fakes: None, way: str) -> None:
    assert measuring.cell(way, Right, PICTURE)["pixels"] <= CAP_PIXELS
    assert measuring.cell(way, Stubborn, PICTURE)["pixels"] > CAP_PIXELS


def test_default_asks_for_nothing(fakes: None) -> None:
    assert measuring.cell("default", Right, PICTURE)["tokens"] == 3577


def test_leak_is_seen_in_the_class_and_in_the_second_instance(fakes: None) -> None:
    found = measuring.leak("Leaking", Leaking, PICTURE)
    assert found["class_size_before"] != found["class_size_after"]
    assert (found["bare_tokens_before"], found["bare_tokens_after"]) == (1247, 247)
    assert found["own_tokens_after"] == 247
    sound = measuring.leak("Right", Right, PICTURE)
    assert sound["bare_tokens_before"] == sound["own_tokens_after"] == 3577


def test_styles() -> None:
    assert limit_of(PIXELS) == 12_845_056 and limit_of(STYLES["size"]) == 16_777_216
    assert floor_of(STYLES["size"]) == 65_536
    # A number at the top level wins over size, as in every release.
    assert limit_of({"max_pixels": 5, "size": {"longest_edge": 7}}) == 5
    assert limit_of({"max_pixels": None, "size": {"longest_edge": True}}) is None
    assert style_of("qwen2_5_vl") == "pixels" and style_of("qwen3_vl_moe") == "size"
    assert BOTH["max_pixels"] == SIZE["longest_edge"] == CAP_PIXELS


@pytest.mark.parametrize(
    ("model_type", "style"), [("qwen3_vl", "size"), ("qwen2_5_vl", "pixels"), (None, "pixels")]
)
def test_a_model_without_a_folder_has_the_style_of_its_family(
    measure: Any, model_type: str | None, style: str
) -> None:
    found = measure("quick", {"model_type": model_type, "path": None})
    assert [row.style for row in found.rows] == [style]
    assert found.own(model_type or "qwen2_5_vl") is found.rows[0]


@pytest.mark.slow
def test_published_styles_on_the_reference_stack(measure: Any) -> None:
    found = measure("deep", {"model_type": "qwen3_vl", "path": None})
    rows = {row.style: row for row in found.rows if row.implementation == "default"}
    assert list(rows) == ["size", "pixels"], "the model's own style goes first"
    assert rows["pixels"].expected_tokens == 3577 and rows["size"].expected_tokens == 2752
    for row in rows.values():
        assert row.default is not None and row.default.tokens == row.expected_tokens
        assert row.cells[RECOMMENDED].within(found.cap_pixels)
    refusals = {row.width: row.reason for row in found.extremes}
    assert "aspect ratio" in refusals[4200]


@pytest.mark.slow
def test_all_ways_and_the_second_instance(measure: Any) -> None:
    found = measure("standard")
    row = found.own("qwen2_5_vl")
    assert row is not None and set(row.cells) == set(WAYS)
    assert {cell.status for cell in row.cells.values()} == {"ok"}
    assert not row.cells["load size"].within(found.cap_pixels), "max_pixels of the file wins"
    leak = next(leak for leak in found.leaks if leak.style == "pixels")
    assert leak.status == "ok" and leak.own_tokens_after == 3577


def checkpoint(folder: Path, **settings: Any) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    (folder / "preprocessor_config.json").write_text(json.dumps({**PIXELS, **settings}))
    return {"model_type": "qwen2_5_vl", "path": str(folder)}


def test_the_checkpoint_of_the_user(measure: Any, tmp_path: Path) -> None:
    found = measure("quick", checkpoint(tmp_path, max_pixels=400_000))
    assert [row.style for row in found.rows] == ["folder"]
    row = found.rows[0]
    assert row.default is not None and row.default.tokens == row.expected_tokens == 27 * 18
    assert found.named_class_exists is True


def test_a_checkpoint_that_names_a_removed_class(measure: Any, tmp_path: Path) -> None:
    named = "Qwen2_5_VLImageProcessor"
    found = measure("quick", checkpoint(tmp_path, image_processor_type=named))
    assert found.named_class == named and found.named_class_exists is False
    assert found.rows[0].cells["default"].status == "raised"


@pytest.mark.slow
def test_a_checkpoint_that_enlarges_without_bound(measure: Any, tmp_path: Path) -> None:
    limits = {"min_pixels": 10**12, "max_pixels": 10**13}
    found = measure("quick", checkpoint(tmp_path, **limits))
    assert "enlarges" in found.rows[0].reason and not found.rows[0].cells


def test_an_empty_folder(measure: Any, tmp_path: Path) -> None:
    found = measure("quick", {"model_type": "qwen2_5_vl", "path": str(tmp_path)})
    assert found.rows[0].cells["default"].status == "raised"
    assert found.named_class is None
