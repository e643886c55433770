"""How large the folder lets an image become."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Settings
from qvl_checks.memory.unbounded_image_size import unbounded_image_size
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement


def model(name: str) -> ModelFacts:
    found = resolve(name)
    assert found is not None
    return found


def judged(name: str, **files: Any) -> Judgement:
    settings = {
        f"{file}.json": Settings(state="read", value=value) for file, value in files.items()
    }
    facts = CheckpointFilesFacts(state="read", path="/home/user/models/x", settings=settings)
    return unbounded_image_size.judge(facts, model(name))


@pytest.mark.parametrize(
    ("name", "preprocessor", "tokens"),
    [
        ("Qwen2.5-VL-7B", {"max_pixels": 1280 * 28 * 28}, 1280),
        ("Qwen2.5-VL-7B", {"size": {"longest_edge": 256 * 28 * 28}}, 256),
        ("Qwen3-VL-8B", {"patch_size": 16, "size": {"longest_edge": 1280 * 32 * 32}}, 1280),
        ("Qwen2-VL-7B", {"max_pixels": 784_000, "size": {"longest_edge": 12_845_056}}, 1000),
    ],
)
def test_a_limit_within_the_recommendation(
    name: str, preprocessor: dict[str, Any], tokens: int
) -> None:
    judgement = judged(name, preprocessor_config=preprocessor)
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["max_visual_tokens"] == tokens


@pytest.mark.parametrize(
    ("name", "preprocessor"),
    [
        ("Qwen2.5-VL-7B", None),
        ("Qwen2.5-VL-7B", {}),
        ("Qwen2.5-VL-7B", {"max_pixels": 12_845_056}),
        ("Qwen3-VL-8B", {"patch_size": 16, "size": {"longest_edge": 16_777_216}}),
        ("Qwen3-VL-8B", {}),
        ("Qwen2.5-VL-7B", {"max_pixels": "many", "size": 7, "patch_size": None}),
    ],
)
def test_the_published_ceiling_is_told_with_the_cap_to_set(
    name: str, preprocessor: dict[str, Any] | None
) -> None:
    files = {} if preprocessor is None else {"preprocessor_config": preprocessor}
    judgement = judged(name, **files)
    assert judgement.outcome is Outcome.PASS
    assert "16384" in judgement.title
    assert judgement.evidence["max_visual_tokens"] == 16384
    unit = 32 if name.startswith("Qwen3") else 28
    assert f"1280 * {unit} * {unit}" in (judgement.fixes[0].code or "")


def test_a_limit_above_the_published_ceiling_fails() -> None:
    judgement = judged("Qwen2.5-VL-7B", preprocessor_config={"max_pixels": 4 * 12_845_056})
    assert judgement.outcome is Outcome.FAIL
    assert judgement.evidence["max_visual_tokens"] == 4 * 16384


def test_a_limit_above_the_recommendation_passes_and_says_how_far() -> None:
    judgement = judged("Qwen2.5-VL-7B", preprocessor_config={"max_pixels": 2560 * 784})
    assert judgement.outcome is Outcome.PASS
    assert "2.0 times the recommended 1280" in judgement.title


def test_what_is_nested_in_the_processor_config_wins() -> None:
    judgement = judged(
        "Qwen2.5-VL-7B",
        preprocessor_config={"max_pixels": 12_845_056},
        processor_config={"image_processor": {"size": {"longest_edge": 784_000}}},
    )
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["from"] == "processor_config.json: size.longest_edge"


def test_without_a_folder_or_for_other_models() -> None:
    nothing = CheckpointFilesFacts(state="not-given")
    outcome = unbounded_image_size.judge(nothing, model("Qwen2.5-VL-7B")).outcome
    assert outcome is Outcome.NOT_APPLICABLE
    read = CheckpointFilesFacts(state="read")
    other = ModelFacts(name="other", source="folder", model_type="llama")
    assert unbounded_image_size.judge(read, other).outcome is Outcome.NOT_APPLICABLE
