"""Names, folders and the tiny stand-in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qvl_checks.models.catalogue import families, published_config, resolve, sizes
from qvl_checks.models.tiny import head_dim
from qvl_doctor.errors import UsageError
from qvl_doctor.facts import ModelFacts


def resolved(name: str | None) -> ModelFacts:
    model = resolve(name)
    assert model is not None
    return model


def test_without_a_name_a_tiny_model_of_the_real_architecture_stands_in() -> None:
    model = resolved(None)
    assert model.source == "tiny"
    assert model.class_name == "Qwen2_5_VLForConditionalGeneration"
    assert head_dim(model.tiny_config) == head_dim(model.config) == 128


@pytest.mark.parametrize(
    "name",
    [
        "Qwen2.5-VL-7B",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2.5-vl-7b-instruct",
        "Qwen2.5-VL-7B-Base",
    ],
)
def test_a_published_size_is_found_by_its_usual_names(name: str) -> None:
    model = resolved(name)
    assert (model.name, model.source, model.parameters) == (
        "Qwen2.5-VL-7B",
        "published",
        8_292_166_656,
    )


def test_an_unknown_name_is_left_to_other_catalogues() -> None:
    assert resolve("Qwen2.5-VL-8B") is None
    assert resolve("llava-1.5-7b") is None


def test_a_quantised_name_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="folder of your checkpoint"):
        resolve("Qwen/Qwen2.5-VL-7B-Instruct-AWQ")


def test_a_checkpoint_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published_config("Qwen3-VL-4B")))
    model = resolved(str(tmp_path))
    assert (model.source, model.family, model.path) == ("folder", "Qwen3-VL", str(tmp_path))
    assert model.heavy_imports[-1].endswith(":Qwen3VLForConditionalGeneration")


def test_another_familys_folder_is_accepted_without_a_class(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    model = resolved(str(tmp_path))
    assert (model.model_type, model.class_name, model.tiny_config) == ("llama", "", {})


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '"text"', "[" * 100_000, '{"model_type": 5}']
)
def test_a_folder_without_a_readable_config_is_one_sentence(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    if content == '{"model_type": 5}':
        assert resolved(str(tmp_path)).model_type == ""
        return
    with pytest.raises(UsageError) as caught:
        resolve(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("base", ["Qwen/Qwen2.5-VL-7B-Instruct", "folder"])
def test_an_adapter_stands_for_its_base_model(tmp_path: Path, base: str) -> None:
    if base == "folder":
        (tmp_path / "base").mkdir()
        config = json.dumps(published_config("Qwen2.5-VL-7B"))
        (tmp_path / "base" / "config.json").write_text(config)
        base = str(tmp_path / "base")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    model = resolved(str(adapter))
    assert (model.name, model.source, model.path) == ("adapter", "folder", str(adapter))
    assert model.model_type == "qwen2_5_vl"


@pytest.mark.parametrize("base", ["somebody/unknown", "", None, 5])
def test_an_adapter_of_something_unknown_is_one_sentence(tmp_path: Path, base: object) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    with pytest.raises(UsageError, match="adapter"):
        resolve(str(tmp_path))


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(UsageError, match="folder"):
        resolve(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("name", sorted(sizes()))
def test_every_size_belongs_to_a_family_and_shrinks(name: str) -> None:
    model = resolved(name)
    family = families()[sizes()[name].family]
    assert model.class_name == family.class_name
    text = model.config.get("text_config", model.config)
    small = model.tiny_config.get("text_config", model.tiny_config)
    assert head_dim(small) == head_dim(text)
    assert small["num_attention_heads"] % small["num_key_value_heads"] == 0
    width = "embed_dim" if model.model_type == "qwen2_vl" else "hidden_size"
    big, little = model.config["vision_config"], model.tiny_config["vision_config"]
    assert big[width] // big["num_heads"] == little[width] // little["num_heads"]


@pytest.mark.parametrize(
    "damage",
    [
        {"text_config": 5},
        {"hidden_size": "wide"},
        {"num_attention_heads": 0},
        {"vision_config": {"num_heads": 0}},
        {"vision_config": []},
        {"head_dim": None},
    ],
)
def test_a_nonsensical_config_is_not_a_traceback(tmp_path: Path, damage: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({**published_config("Qwen2.5-VL-3B"), **damage})
    )
    model = resolved(str(tmp_path))
    assert model.model_type == "qwen2_5_vl"


def test_an_adapter_of_itself_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path)})
    )
    with pytest.raises(UsageError, match="adapter"):
        resolve(str(tmp_path))


def test_a_pipe_in_place_of_the_config_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(UsageError, match="not a regular file"):
        resolve(str(tmp_path))


def test_the_home_of_nobody_is_no_model() -> None:
    assert resolve("~nobody-of-this-name/model") is None
