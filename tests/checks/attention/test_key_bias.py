"""The static prediction: reading tensors, the rotary profile, the rounding, hostile files."""

from __future__ import annotations

import json
import math
import os
import random
import struct
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qvl_checks.attention import key_bias_probe
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_checks.attention.logit_rounding import (
    content,
    eager_squares,
    rounded,
    spacing,
    weighted_mean,
)
from qvl_checks.attention.rotary_profile import Profiles
from qvl_checks.attention.stored_tensors import decode
from qvl_checks.models.catalogue import published_config, resolve

WIDTH = 128
SLOWEST = WIDTH // 2 - 1


def bf16(values: list[float]) -> bytes:
    return b"".join(struct.pack("<f", value)[2:] for value in values)


PACK = {
    "BF16": bf16,
    "F16": lambda values: struct.pack(f"<{len(values)}e", *values),
    "F32": lambda values: struct.pack(f"<{len(values)}f", *values),
}


def write_safetensors(path: Path, tensors: dict[str, Any], dtype: str = "BF16") -> None:
    """Values of None are holes in a sparse file: zeros that take no room."""
    size = {"BF16": 2, "F16": 2, "F32": 4}[dtype]
    header, end = {}, 0
    for name, (shape, _) in tensors.items():
        begin, end = end, end + math.prod(shape) * size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (_, values) in tensors.items():
            if values is not None:
                file.seek(8 + len(text) + header[name]["data_offsets"][0])
                file.write(PACK[dtype](values))
        file.truncate(8 + len(text) + end)


def on_slowest(heads: int, norm: float) -> list[float]:
    """A bias of this norm, alike in every head, on the slowest rotary pair."""
    values = [0.0] * (heads * WIDTH)
    for head in range(heads):
        values[head * WIDTH + SLOWEST] = norm / math.sqrt(heads)
    return values


def biases(
    layers: dict[int, float],
    heads: int = 28,
    key_heads: int = 4,
    prefix: str = "model.layers",
    hidden: int = 256,
) -> dict[str, Any]:
    """Layers with key biases of these norms, as a checkpoint names them."""
    tensors: dict[str, Any] = {}
    for layer, norm in layers.items():
        stem = f"{prefix}.{layer}"
        attention = f"{stem}.self_attn"
        tensors[f"{attention}.k_proj.bias"] = [key_heads * WIDTH], on_slowest(key_heads, norm)
        query = on_slowest(heads, min(norm, 600.0))
        tensors[f"{attention}.q_proj.bias"] = [heads * WIDTH], query
        tensors[f"{attention}.q_proj.weight"] = [heads * WIDTH, hidden], None
        tensors[f"{stem}.input_layernorm.weight"] = [hidden], [1.0] * hidden
    return tensors


def folder_with(folder: Path, tensors: dict[str, Any], **wishes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    config = published_config(wishes.pop("model", "Qwen2.5-VL-7B"))
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", tensors, **wishes)
    return folder


def predict(folder: Path) -> KeyBiasFacts:
    data = key_bias_probe.run({"model": msgspec.to_builtins(resolve(str(folder)))})
    return msgspec.convert(json.loads(json.dumps(data, allow_nan=False)), KeyBiasFacts)


@pytest.mark.parametrize("dtype", PACK)
def test_numbers_are_decoded(dtype: str) -> None:
    values = [0.0, 1.0, -2.5, 440.0, 0.0078125]
    assert decode(PACK[dtype](values), dtype) == values


@pytest.mark.parametrize(
    ("value", "unit"), [(1.0, 1 / 128), (64.0, 0.5), (724.0, 4.0), (1024.0, 8.0), (-3000.0, 16.0)]
)
def test_the_spacing_of_bfloat16(value: float, unit: float) -> None:
    assert spacing(value) == unit


def test_rounding_is_that_of_the_formats() -> None:
    generator = random.Random(1)
    for _ in range(500):
        value = generator.gauss(0, 10.0 ** generator.randint(-3, 4))
        assert rounded(value, "float16") == struct.unpack("<e", struct.pack("<e", value))[0]
        [near] = decode(bf16_nearest(value), "BF16")
        assert rounded(value, "bfloat16") == near
    assert rounded(65519.0, "float16") == 65504.0
    assert rounded(65520.0, "float16") == math.inf


def bf16_nearest(value: float) -> bytes:
    """Round to nearest even on the bits of a float64 that a float32 holds."""
    [bits] = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def rotate(vector: list[float], position: float, theta: float) -> list[float]:
    """The rotary embedding by its definition."""
    half = len(vector) // 2
    turned = [0.0] * len(vector)
    for i in range(half):
        angle = position * theta ** (-i / half)
        a, b = vector[i], vector[i + half]
        turned[i] = a * math.cos(angle) - b * math.sin(angle)
        turned[i + half] = b * math.cos(angle) + a * math.sin(angle)
    return turned


def test_the_profile_is_the_product_after_the_rotation() -> None:
    generator = random.Random(2)
    query = [generator.gauss(0, 1) for _ in range(16)]
    key = [generator.gauss(0, 1) for _ in range(16)]
    profile = Profiles.of_text(16, 1e4).profile(query, key)
    for distance in (0, 1, 7, 40):
        there = rotate(query, 100 + distance, 1e4), rotate(key, 100, 1e4)
        product = sum(a * b for a, b in zip(*there, strict=True))
        assert profile[distance] == pytest.approx(product, abs=2e-3)


def test_a_slow_pair_is_an_offset_and_a_fast_one_a_wave() -> None:
    profiles = Profiles.of_text(WIDTH, 1e6)
    slow, fast = [0.0] * WIDTH, [0.0] * WIDTH
    slow[SLOWEST] = fast[0] = 10.0
    assert min(profiles.profile(slow, slow)) == pytest.approx(100.0, rel=1e-3)
    assert min(profiles.profile(fast, fast)) < -90.0 < 90.0 < max(profiles.profile(fast, fast))


@pytest.mark.parametrize(
    ("offset", "measured"), [(0, 0.014), (16, 0.045), (64, 0.14), (128, 0.29), (256, 0.74)]
)
def test_the_simulated_error_is_the_measured_one(offset: float, measured: float) -> None:
    # Measured: eager attention in bfloat16 against float64, 1024 keys, heads 128 wide.
    scaling, generator = WIDTH**-0.5, random.Random(3)
    rows = []
    for _ in range(40):
        logits = [offset + value for value in content(1024, generator)]
        row = eager_squares([logit / scaling for logit in logits], scaling, "bfloat16")
        assert row is not None
        rows.append(row)
    error = math.sqrt(sum(a for a, _ in rows) / sum(b for _, b in rows))
    assert error == pytest.approx(measured, rel=0.35)


def test_a_row_with_one_strong_key_is_not_harmed() -> None:
    row = eager_squares([100000.0, 0.0, 0.0], WIDTH**-0.5, "bfloat16")
    assert row is not None
    assert row[0] < 1e-12
    assert weighted_mean([100000.0, 0.0], WIDTH**-0.5) == pytest.approx(8838.8, rel=1e-3)
    assert eager_squares([100000.0, 0.0, 0.0], WIDTH**-0.5, "float16") is None


def test_planted_layers_are_named_and_no_others(tmp_path: Path) -> None:
    norms = {0: 605.0, 1: 22.0, 2: 0.0, 27: 921.0}
    facts = predict(folder_with(tmp_path / "model", biases(norms)))
    assert facts.state == "read", facts.reason
    assert [layer.layer for layer in facts.of("text")] == [0, 1, 2, 27]
    assert facts.head_dim == WIDTH
    of = {layer.layer: layer for layer in facts.of("text")}
    for layer in (0, 27):
        norm = norms[layer]
        expected = norm / 2 * min(norm, 600.0) / math.sqrt(28) / math.sqrt(WIDTH)
        assert of[layer].key_bias_norm == pytest.approx(norm, rel=0.01)
        assert of[layer].offset_at_zero == pytest.approx(expected, rel=0.01)
        assert of[layer].offset == pytest.approx(expected, rel=0.02)
        assert (of[layer].error_bfloat16 or 0) > 0.5
    assert (of[2].error_bfloat16 or 1) < 0.02
    assert of[2].offset_at_zero == 0
    assert of[0].error_float16 is not None
    assert (of[0].largest_product or 0) < 65504


def test_products_beyond_float16_are_not_finite(tmp_path: Path) -> None:
    [layer] = predict(folder_with(tmp_path / "model", biases({0: 2000.0}))).of("text")
    assert (layer.largest_product or 0) > 65504
    assert layer.error_float16 is None
    assert layer.error_bfloat16 is not None


def test_a_key_bias_meets_the_content_of_queries(tmp_path: Path) -> None:
    """Without a query bias the offset comes from W_q x alone, whose size its rows tell."""
    tensors = biases({0: 600.0}, hidden=64)
    name = "model.layers.0.self_attn.q_proj"
    tensors[f"{name}.bias"] = [28 * WIDTH], [0.0] * (28 * WIDTH)
    tensors[f"{name}.weight"] = [28 * WIDTH, 64], [0.5] * (28 * WIDTH * 64)
    [layer] = predict(folder_with(tmp_path / "model", tensors)).of("text")
    assert layer.query_rms == pytest.approx(0.5 * 8)
    assert layer.query_rms_read
    assert layer.offset_at_zero == 0
    assert abs(layer.offset or 0) > 50
    assert (layer.error_bfloat16 or 0) > 0.05


@pytest.mark.parametrize(
    "prefix", ["model.layers", "model.language_model.layers", "thinker.model.layers"]
)
def test_every_release_s_names_are_known(tmp_path: Path, prefix: str) -> None:
    facts = predict(folder_with(tmp_path / "model", biases({3: 600.0}, prefix=prefix)))
    assert [layer.layer for layer in facts.of("text")] == [3]


def test_other_towers_are_left_alone(tmp_path: Path) -> None:
    tensors = biases({0: 22.0})
    tensors.update(biases({1: 600.0}, prefix="talker.model.layers"))
    tensors.update(biases({2: 600.0}, prefix="thinker.audio_tower.layers"))
    facts = predict(folder_with(tmp_path / "model", tensors))
    assert [layer.layer for layer in facts.layers] == [0]


def test_a_fused_bias_of_the_vision_tower_is_taken_apart(tmp_path: Path) -> None:
    tensors = biases({0: 22.0})
    width, dim = 80, 1280
    fused = [0.0] * (3 * dim)
    for head in range(16):
        fused[head * width + width // 4 - 1] = fused[dim + head * width + width // 4 - 1] = 60.0
    tensors["visual.blocks.5.attn.qkv.bias"] = [3 * dim], fused
    [layer] = predict(folder_with(tmp_path / "model", tensors)).of("vision")
    assert layer.offset_at_zero == pytest.approx(60.0**2 / math.sqrt(width), rel=0.01)
    assert layer.offset == pytest.approx(60.0**2 / math.sqrt(width), rel=0.02)


@pytest.mark.parametrize(
    ("model", "stored"), [("Qwen3-VL-8B", (1.0, 2.0)), ("Qwen3.5-9B", (0.0, 1.0))]
)
def test_normalised_keys_are_bounded_by_their_norms(
    tmp_path: Path, model: str, stored: tuple[float, float]
) -> None:
    # Qwen3.5 stores what its norms add to one; its heads are 256 wide.
    width = 128 if model == "Qwen3-VL-8B" else 256
    stem = "model.language_model.layers.0.self_attn"
    tensors = {
        f"{stem}.k_proj.weight": ([1024, 64], None),
        f"{stem}.q_norm.weight": ([width], [stored[0]] * width),
        f"{stem}.k_norm.weight": ([width], [stored[1]] * width),
    }
    [layer] = predict(folder_with(tmp_path / "model", tensors, model=model)).of("text")
    assert layer.bound == pytest.approx(2 * math.sqrt(width), rel=0.01)
    assert not layer.has_key_bias
    assert layer.offset is None


def test_a_few_hundred_kilobytes_whatever_the_size(tmp_path: Path) -> None:
    norms = {layer: 600.0 if layer in (0, 27) else 22.0 for layer in range(28)}
    tensors = biases(norms, hidden=3584)
    tensors["model.embed_tokens.weight"] = [7_000_000_000], None
    folder = folder_with(tmp_path / "model", tensors)
    assert os.path.getsize(folder / "model.safetensors") > 14 * 10**9
    started = time.monotonic()
    facts = predict(folder)
    assert facts.state == "read", facts.reason
    assert facts.bytes_read < 1_500_000
    assert time.monotonic() - started < 30
    broken = [layer.layer for layer in facts.of("text") if (layer.error_bfloat16 or 0) > 0.1]
    assert broken == [0, 27]


def test_shards_are_found_by_the_index(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "model", biases({0: 600.0}), dtype="F32")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    write_safetensors(folder / "model-2.safetensors", biases({1: 22.0}), "F16")
    write_safetensors(folder / "left-over.safetensors", biases({2: 22.0}))
    names = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert [layer.layer for layer in predict(folder).of("text")] == [0, 1]


def test_a_bias_that_is_no_number_is_said_to_be_none(tmp_path: Path) -> None:
    tensors = biases({0: 600.0, 1: 22.0})
    tensors["model.layers.1.self_attn.k_proj.bias"][1][5] = math.nan
    of = {layer.layer: layer for layer in predict(folder_with(tmp_path / "m", tensors)).of("text")}
    assert of[1].nonfinite
    assert of[1].offset is None
    assert not of[0].nonfinite


def test_no_folder_is_no_error() -> None:
    model = msgspec.to_builtins(resolve("Qwen2.5-VL-7B"))
    assert key_bias_probe.run({"model": model})["state"] == "not-given"


def damage_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def page(path: Path) -> None:
    path.write_text("<!doctype html><html>404</html>")


def remove(path: Path) -> None:
    path.unlink()


def lead_out(path: Path) -> None:
    outside = path.parent.parent / "outside.safetensors"
    path.rename(outside)
    table = {"weight_map": {"a": "../outside.safetensors"}}
    (path.parent / "model.safetensors.index.json").write_text(json.dumps(table))


def other_dtype(path: Path) -> None:
    header = {
        "model.layers.0.self_attn.k_proj.bias": {
            "dtype": "I16",
            "shape": [512],
            "data_offsets": [0, 1024],
        }
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(1024))


def other_heads(path: Path) -> None:
    config = path.parent / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_attention_heads": 10}))


def no_heads(path: Path) -> None:
    config = path.parent / "config.json"
    fields = {**json.loads(config.read_text()), "num_attention_heads": 0, "head_dim": "wide"}
    config.write_text(json.dumps(fields))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (damage_header, "damaged"),
        (cut, "truncated"),
        (page, "html"),
        (remove, "no model weights"),
        (lead_out, "no model weights"),
        (other_dtype, "I16"),
        (other_heads, "heads of 358"),
        (no_heads, "no usable"),
    ],
)
def test_hostile_folders_are_refused_in_a_sentence(tmp_path: Path, damage: Any, word: str) -> None:
    folder = folder_with(tmp_path / "model", biases({0: 600.0}))
    damage(folder / "model.safetensors")
    facts = predict(folder)
    assert facts.state == "unreadable"
    assert word in facts.reason
    assert "\n" not in facts.reason
    assert facts.layers == ()
