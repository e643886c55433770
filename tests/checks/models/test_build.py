"""Every family can be built, full on meta and tiny for real, by the installed transformers."""

from __future__ import annotations

import pytest
import torch

from qvl_checks.models.build import (
    UnknownFamily,
    make_config,
    make_inputs,
    make_model,
    model_class,
)
from qvl_checks.models.catalogue import families, resolve, sizes

ONE_SIZE_OF_EACH = {sizes()[name].family: name for name in sorted(sizes(), reverse=True)}


@pytest.mark.parametrize(
    "name", sorted(name for name, size in sizes().items() if size.parameters is not None)
)
def test_the_parameter_total_is_the_published_one_to_the_unit(name: str) -> None:
    model = resolve(name)
    assert model is not None
    config = make_config(model.config)
    with torch.device("meta"):
        built = model_class(config)(config)
    built.tie_weights()
    assert sum({id(p): p.numel() for p in built.parameters()}.values()) == model.parameters


@pytest.mark.parametrize("family", sorted(families()))
def test_a_tiny_model_generates_from_text_and_pictures(family: str) -> None:
    model = resolve(ONE_SIZE_OF_EACH[family])
    assert model is not None
    config = make_config(model.tiny_config)
    built = make_model(config)
    inputs = make_inputs(config, images=((224, 224), (112, 280)), text_tokens=5, batch=2)
    with torch.inference_mode():
        output = built.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert output.shape[1] == inputs["input_ids"].shape[1] + 2
    assert next(built.parameters()).dtype is torch.bfloat16


@pytest.mark.parametrize("family", sorted(families()))
def test_a_tiny_model_generates_from_a_video_beside_an_image(family: str) -> None:
    model = resolve(ONE_SIZE_OF_EACH[family])
    assert model is not None
    config = make_config(model.tiny_config)
    built = make_model(config)
    inputs = make_inputs(
        config, images=((112, 112),), videos=((128, 128, 5), (64, 128, 2)), text_tokens=5, batch=2
    )
    assert inputs["video_grid_thw"][0, 0] == 3  # of 5 frames, two at a time
    visual = int((inputs["input_ids"] == config.video_token_id).sum())
    assert visual * 4 == inputs["pixel_values_videos"].shape[0]
    with torch.inference_mode():
        output = built.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert output.shape[1] == inputs["input_ids"].shape[1] + 2


def test_the_visual_tokens_match_the_patches() -> None:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    config = make_config(model.config)
    inputs = make_inputs(config, images=((2048, 1365),), text_tokens=50)
    # The known grid of a 2048 x 1365 picture: 98 x 146 patches of 14 pixels.
    assert inputs["image_grid_thw"].tolist() == [[1, 98, 146]]
    assert inputs["pixel_values"].shape == (14308, 1176)
    assert int((inputs["input_ids"] == config.image_token_id).sum()) == 14308 // 4


def test_the_rope_frequencies_stay_in_float32_as_in_a_loaded_checkpoint() -> None:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    built = make_model(make_config(model.tiny_config))
    frequencies = [b for name, b in built.named_buffers() if name.endswith("inv_freq")]
    assert frequencies
    assert {buffer.dtype for buffer in frequencies} == {torch.float32}


def test_an_empty_config_is_an_unknown_family() -> None:
    with pytest.raises(UnknownFamily):
        make_config({})
