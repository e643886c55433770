"""The files probe on really written checkpoint folders: layouts, settings, indexes, names."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.checks.checkpoint.written import (
    HEAD,
    POINTER,
    TEXT,
    VISION,
    Layout,
    probe,
    write_json,
    write_shard,
)

from qvl_checks.checkpoint import bounded_file, files_probe, shard_header, tensor_names
from qvl_checks.checkpoint.files_facts import CHECKPOINT_FILES


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small checkpoint laid out like a published one: two shards, index, settings."""
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    write_shard(tmp_path / first, {**TEXT, **VISION})
    write_shard(tmp_path / second, HEAD)
    table = dict.fromkeys((*TEXT, *VISION), first) | dict.fromkeys(HEAD, second)
    write_json(tmp_path / "model.safetensors.index.json", {"metadata": {}, "weight_map": table})
    write_json(
        tmp_path / "config.json",
        {
            "model_type": "qwen2_5_vl",
            "tie_word_embeddings": False,
            "text_config": {"tie_word_embeddings": True},
        },
    )
    write_json(
        tmp_path / "tokenizer_config.json",
        {"padding_side": "right", "tokenizer_class": "Qwen2Tokenizer", "chat_template": "{{ x }}"},
    )
    write_json(tmp_path / "chat_template.json", {"chat_template": "<|image_pad|> {{ messages }}"})
    return tmp_path


def test_whole_checkpoint(checkpoint: Path) -> None:
    facts = probe(checkpoint)
    assert facts.state == "read"
    assert [shard.verdict for shard in facts.shards] == ["ok", "ok"]
    assert [shard.missing_bytes for shard in facts.shards] == [0, 0]
    assert facts.index.state == "read"
    assert (facts.index.tensors_named, facts.index.files_named) == (5, 2)
    for field in ("files_missing", "files_not_named", "tensors_missing", "tensors_not_named"):
        assert getattr(facts.index, field).count == 0, field
    assert facts.index.tensors_in_unreadable_files.count == 0
    config = facts.settings["config.json"]
    assert config.state == "read"
    assert config.value is not None and config.value["model_type"] == "qwen2_5_vl"
    assert facts.settings["generation_config.json"].state == "missing"
    assert facts.pickles == () and facts.unfinished == () and not facts.more_entries


def test_names_tell_the_layout(checkpoint: Path) -> None:
    tensors = probe(checkpoint).tensors
    assert tensors.count == 5
    assert tensors.dtypes == {"BF16": 4, "F32": 1}
    assert tensors.output_head.examples == ("lm_head.weight",)
    assert tensors.embeddings.count == 1
    assert tensors.k_proj_biases.names == ("model.language_model.layers.0.self_attn.k_proj.bias",)
    assert tensors.vision_prefixes == ("model.visual.",)
    assert tensors.vision_tensors == 1 and tensors.vision_quantized.count == 0
    assert tensors.layer_prefixes == {"model.language_model.layers": 2}
    assert tensors.qk_norms == 0


def test_old_layout_and_quantized_vision(tmp_path: Path) -> None:
    layout: Layout = {
        "visual.blocks.0.attn.qkv.qweight": ("U8", [4]),
        "visual.blocks.0.attn.k_proj.bias": ("BF16", [4]),
        "model.layers.0.self_attn.q_norm.weight": ("BF16", [4]),
    }
    write_shard(tmp_path / "model.safetensors", layout)
    tensors = probe(tmp_path).tensors
    assert tensors.vision_prefixes == ("visual.",)
    assert tensors.vision_quantized.examples == ("visual.blocks.0.attn.qkv.qweight",)
    assert tensors.k_proj_biases.count == 0, "a bias of the vision tower is not the model's"
    assert tensors.qk_norms == 1
    assert tensors.output_head.count == 0
    assert tensors.layer_prefixes == {"model.layers": 1}


def test_settings_beside_the_weights(checkpoint: Path) -> None:
    facts = probe(checkpoint)
    assert (facts.tie_word_embeddings.top, facts.tie_word_embeddings.text_config) == (False, True)
    assert facts.tokenizer.padding_side == "right"
    assert facts.tokenizer.tokenizer_class == "Qwen2Tokenizer"
    assert facts.tokenizer.has_chat_template
    assert {t.place: t.slots for t in facts.chat_templates} == {
        "chat_template.json": ("<|image_pad|>",),
        "tokenizer_config.json": (),
    }
    assert facts.quantization_config is None


def test_index_names_a_file_that_is_absent(checkpoint: Path) -> None:
    (checkpoint / "model-00002-of-00002.safetensors").unlink()
    facts = probe(checkpoint)
    assert facts.index.files_missing.examples == ("model-00002-of-00002.safetensors",)
    assert facts.index.tensors_in_unreadable_files.examples == ("lm_head.weight",)
    assert facts.index.tensors_missing.count == 0
    assert facts.tensors.output_head.count == 1, "the index still knows the name"


def test_index_names_a_damaged_file(checkpoint: Path) -> None:
    (checkpoint / "model-00002-of-00002.safetensors").write_bytes(POINTER)
    facts = probe(checkpoint)
    assert facts.index.files_missing.count == 0
    assert facts.index.tensors_in_unreadable_files.count == 1


def test_tensors_that_only_one_side_knows(checkpoint: Path) -> None:
    write_shard(checkpoint / "model-00002-of-00002.safetensors", {"surprise": ("U8", [1])})
    write_shard(checkpoint / "consolidated.safetensors", HEAD)
    index = probe(checkpoint).index
    assert index.tensors_missing.examples == ("lm_head.weight",)
    assert index.tensors_not_named.examples == ("surprise",)
    assert index.files_not_named.examples == ("consolidated.safetensors",)


def test_many_differences_are_counted_and_sampled(tmp_path: Path) -> None:
    write_shard(tmp_path / "model.safetensors", TEXT)
    table = {f"layer.{number:04}": "model.safetensors" for number in range(500)}
    write_json(tmp_path / "model.safetensors.index.json", {"weight_map": table})
    missing = probe(tmp_path).index.tensors_missing
    assert missing.count == 500
    assert missing.examples == tuple(f"layer.{number:04}" for number in range(20))


def test_index_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "checkpoint"
    inner.mkdir()
    write_shard(tmp_path / "outside.safetensors", HEAD)
    table = {"lm_head.weight": "../outside.safetensors", "b": "/etc/passwd"}
    write_json(inner / "model.safetensors.index.json", {"weight_map": table})
    facts = probe(inner)
    assert facts.shards == ()
    assert facts.index.files_missing.examples == ("../outside.safetensors", "/etc/passwd")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "invalid"),
        ("[]", "invalid"),
        ('{"weight_map": []}', "invalid"),
        ('{"weight_map": {"a": 1}}', "invalid"),
        ('{"weight_map": {"a": ["x"]}}', "invalid"),
        ("{}", "invalid"),
        (POINTER.decode(), "invalid"),
    ],
)
def test_broken_index(tmp_path: Path, text: str, state: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    index = probe(tmp_path).index
    assert index.state == state
    assert index.reason


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (b"{}", "read"),
        (b"", "invalid"),
        (b"{", "invalid"),
        (b"null", "invalid"),
        (b'{"a": NaN}', "invalid"),
        (b'{"a": Infinity}', "invalid"),
        (b'{"a": 1e999}', "invalid"),
        (rb'{"a": "\udfff"}', "invalid"),
        (rb'{"a": "\ud83d\ude00"}', "read"),
        (b"\xff\xfe{}", "invalid"),
        (b"[" * 100_000, "invalid"),
        (b'{"a": 1' + b"0" * 5000 + b"}", None),
        (b'{"a": "' + b"x" * 4_000_000 + b'"}', "too-large"),
    ],
)
def test_config_in_every_condition(tmp_path: Path, content: bytes, state: str | None) -> None:
    (tmp_path / "config.json").write_bytes(content)
    fact = probe(tmp_path).settings["config.json"]
    if state is not None:  # whether 5000 digits parse depends on the Python release
        assert fact.state == state
    assert (fact.value is not None) == (fact.state == "read")
    assert bool(fact.reason) == (fact.state != "read")


def test_values_of_the_wrong_kind_are_not_passed_on(tmp_path: Path) -> None:
    write_json(
        tmp_path / "config.json",
        {"tie_word_embeddings": "yes", "text_config": [1], "auto_map": [1], "model_type": 3},
    )
    write_json(
        tmp_path / "tokenizer_config.json",
        {"padding_side": 1, "tokenizer_class": None, "chat_template": [{"name": "default"}]},
    )
    facts = probe(tmp_path)
    assert facts.tie_word_embeddings.top is None and facts.tie_word_embeddings.text_config is None
    assert facts.tokenizer.padding_side is None and facts.tokenizer.has_chat_template
    assert facts.remote_code.auto_map == ()


@pytest.mark.parametrize("place", ["config", "text_config", "quantize_config.json"])
def test_quantization_config_wherever_it_stands(tmp_path: Path, place: str) -> None:
    quantization = {"quant_method": "awq", "bits": 4}
    config: dict[str, Any] = {"model_type": "qwen2_5_vl"}
    if place == "config":
        config["quantization_config"] = quantization
    elif place == "text_config":
        config["text_config"] = {"quantization_config": quantization}
    else:
        write_json(tmp_path / place, quantization)
    write_json(tmp_path / "config.json", config)
    assert probe(tmp_path).quantization_config == quantization


def test_adapter_folder(tmp_path: Path) -> None:
    prefix = "base_model.model.model.layers.0.self_attn.q_proj"
    layout: Layout = {f"{prefix}.lora_{side}.weight": ("F32", [2, 2]) for side in "AB"}
    write_shard(tmp_path / "adapter_model.safetensors", layout)
    write_json(tmp_path / "adapter_config.json", {"r": 2, "target_modules": ["q_proj"]})
    facts = probe(tmp_path)
    assert facts.adapter.count == 2
    assert facts.adapter.prefixes == {"base_model.model.model.layers": 2}
    assert facts.tensors.count == 0, "adapter weights are not weights of the model"
    assert facts.index.files_not_named.count == 0
    assert facts.settings["adapter_config.json"].value == {"r": 2, "target_modules": ["q_proj"]}


def test_pickles_are_named_and_never_opened(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    bomb = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    (tmp_path / "pytorch_model.bin").write_bytes(bomb)
    (tmp_path / "old.pt").write_bytes(POINTER)
    (tmp_path / "empty.pth").touch()
    pickles = {pickle.name: pickle.kind for pickle in probe(tmp_path).pickles}
    assert pickles == {
        "pytorch_model.bin": "data",
        "old.pt": "git-lfs-pointer",
        "empty.pth": "empty",
    }
    assert not trap.exists()


def test_remote_code_and_unfinished_downloads_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"auto_map": {"AutoModel": "modeling_qwen.QWen"}})
    write_json(tmp_path / "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a", None]}})
    (tmp_path / "modeling_qwen.py").write_text("raise SystemExit('imported')")
    (tmp_path / "model.safetensors.incomplete").touch()
    facts = probe(tmp_path)
    assert facts.remote_code.auto_map == ("AutoModel", "AutoTokenizer")
    assert facts.remote_code.python_files == ("modeling_qwen.py",)
    assert facts.unfinished == ("model.safetensors.incomplete",)


def test_additional_and_jinja_templates(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{% if x %}<|image_pad|><|video_pad|>{% endif %}")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tools.jinja").write_text("plain")
    templates = {template.place: template for template in probe(tmp_path).chat_templates}
    assert templates["chat_template.jinja"].slots == ("<|image_pad|>", "<|video_pad|>")
    assert templates["additional_chat_templates/tools.jinja"].characters == 5


def test_broken_legacy_template_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text("<html>")
    (template,) = probe(tmp_path).chat_templates
    assert template.characters is None and template.reason


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"model-\xff.safetensors")
    write_shard(tmp_path / name, TEXT)
    facts = probe(tmp_path)
    assert facts.shards[0].verdict == "ok"
    assert "udcff" in facts.shards[0].name


def test_long_names_are_shortened(tmp_path: Path) -> None:
    write_shard(tmp_path / "adapter_model.safetensors", {"x" * 100_000: ("U8", [1])})
    assert len(probe(tmp_path).adapter.examples[0]) == tensor_names.NAME_LIMIT


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        write_shard(tmp_path / f"model-{number}.safetensors", TEXT)
    monkeypatch.setattr(files_probe, "SHARDS", 2)
    verdicts = [shard.verdict for shard in probe(tmp_path).shards]
    assert verdicts == ["ok", "ok", "not-read", "not-read", "not-read", "not-read"]
    monkeypatch.setattr(files_probe, "SHARDS", 512)
    monkeypatch.setattr(files_probe, "HEADER_BUDGET", 1)
    assert [shard.verdict for shard in probe(tmp_path).shards].count("not-read") == 5
    monkeypatch.setattr(files_probe, "ENTRIES", 3)
    facts = probe(tmp_path)
    assert facts.entries == 3 and facts.more_entries


@pytest.mark.parametrize(
    "request_data",
    [{}, {"model": None}, {"model": {}}, {"model": {"path": ""}}, {"model": "Qwen2.5-VL-7B"}],
)
def test_no_folder_given(request_data: dict[str, Any]) -> None:
    assert files_probe.run(request_data)["state"] == "not-given"


def test_places_that_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert probe(tmp_path / "absent").state == "missing"
    assert probe(tmp_path / "file").state == "not-a-folder"
    assert probe("Qwen/Qwen2.5-VL-7B-Instruct").state == "missing"
    assert probe("a\0b").state in ("unreadable", "missing")
    assert probe("x" * 100_000).state in ("unreadable", "missing")


def test_empty_folder(tmp_path: Path) -> None:
    facts = probe(tmp_path)
    assert facts.state == "read" and facts.entries == 0
    assert facts.shards == () and facts.index.state == "missing"
    assert facts.tensors.count == 0


MODULES = (bounded_file, files_probe, shard_header, tensor_names)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_runs_in_an_old_target(module: Any) -> None:
    source = Path(module.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))


def test_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """Without site-packages, as in a target where nothing is installed."""
    module_name, _, function = CHECKPOINT_FILES.entry.partition(":")
    root = Path(files_probe.__file__).parents[2]
    program = (
        f"import sys; sys.path.insert(0, {str(root)!r}); import importlib, json\n"
        f"run = getattr(importlib.import_module({module_name!r}), {function!r})\n"
        f"print(json.dumps(run({{'model': {{'path': {str(tmp_path)!r}}}}})['state']))\n"
        "print(sorted(set(sys.modules) & {'msgspec', 'numpy', 'torch', 'pickle'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ['"read"', "[]"], done.stderr
