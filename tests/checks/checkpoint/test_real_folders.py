"""Checkpoints that transformers has saved, broken in one way each, examined from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.models.build import make_config, make_model
from qvl_checks.models.catalogue import resolve

SHARDS = 3
FIRST = f"model-00001-of-{SHARDS:05d}.safetensors"
SECOND = f"model-00002-of-{SHARDS:05d}.safetensors"
INDEX = "model.safetensors.index.json"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 11546448\n"
TEMPLATE = "{% for m in messages %}<|vision_start|><|image_pad|><|vision_end|>{{ m }}{% endfor %}"
DAMAGED = "checkpoint.checkpoint-damaged"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Qwen2.5-VL in three shards, with index, template and tokenizer file."""
    folder = tmp_path_factory.mktemp("saved")
    model = resolve(None)
    assert model is not None
    make_model(make_config(model.tiny_config)).save_pretrained(folder, max_shard_size="12MB")
    write(folder / "chat_template.json", {"chat_template": TEMPLATE})
    write(folder / "tokenizer_config.json", {"padding_side": "left"})
    write(folder / "tokenizer.json", {"version": "1.0"})
    write(folder / "preprocessor_config.json", {"patch_size": 14, "max_pixels": 1280 * 784})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def examine(folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and findings by id, as ``qvl-doctor check`` gives them."""
    output = folder.parent / "report"
    done = subprocess.run(
        [
            sys.executable, "-m", "qvl_doctor", "check", "--model", str(folder), "--level", "quick",
            "--only", "checkpoint", "--only", "memory.unbounded-image-size",
            "--format", "json", "--output", str(output),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    report = output / "report.json"
    assert report.exists(), done.stderr
    findings = json.loads(report.read_text(encoding="utf-8"))["findings"]
    return done.returncode, {finding["id"]: finding for finding in findings}


def load(folder: Path) -> dict[str, Any]:
    """What transformers says while it loads the folder."""
    from transformers import AutoModelForImageTextToText

    _, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    return dict(info)


def truncate(folder: Path) -> None:
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes()[:300_000])


def pointer(folder: Path) -> None:
    (folder / FIRST).write_text(POINTER)


def delete(folder: Path) -> None:
    (folder / FIRST).unlink()


def empty(folder: Path) -> None:
    (folder / FIRST).write_bytes(b"")


def page(folder: Path) -> None:
    (folder / FIRST).write_text("<!DOCTYPE html><html><body>503</body></html>")


def index_gone(folder: Path) -> None:
    (folder / INDEX).unlink()


def overwritten(folder: Path) -> None:
    content = bytearray((folder / FIRST).read_bytes())
    content[8:40] = b"\x00" * 32
    (folder / FIRST).write_bytes(bytes(content))


def test_a_sound_folder_has_no_problems(folder: Path) -> None:
    code, findings = examine(folder)
    failed = {name for name, finding in findings.items() if finding["outcome"] == "fail"}
    assert failed == set()
    assert code == 0
    for name in (DAMAGED, "checkpoint.output-head-mismatch", "checkpoint.wrong-model-class"):
        assert findings[name]["outcome"] == "pass", findings[name]
    assert load(folder)["missing_keys"] == set()


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (truncate, FIRST),
        (pointer, FIRST),
        (delete, FIRST),
        (empty, FIRST),
        (page, FIRST),
        (overwritten, FIRST),
        (index_gone, INDEX),
    ],
)
def test_damage_is_found_where_loading_fails(
    folder: Path, harm: Callable[[Path], None], named: str
) -> None:
    harm(folder)
    code, findings = examine(folder)
    assert findings[DAMAGED]["outcome"] == "fail"
    assert findings[DAMAGED]["title"].startswith(named)
    assert code == 1
    with pytest.raises(Exception, match=r"\S"):
        load(folder)


def test_the_missing_bytes_are_exact(folder: Path) -> None:
    whole = (folder / FIRST).stat().st_size
    truncate(folder)
    _, findings = examine(folder)
    assert f"{whole - 300_000} of {whole} bytes are missing" in findings[DAMAGED]["title"]


def test_a_tokenizer_that_git_lfs_left_out(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(POINTER)
    _, findings = examine(folder)
    assert findings[DAMAGED]["title"].startswith("tokenizer.json")


def without_head(folder: Path) -> None:
    """Remove ``lm_head.weight`` from its shard and from the index."""
    from safetensors.torch import load_file, save_file

    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    file = folder / index["weight_map"].pop("lm_head.weight")
    write(folder / INDEX, index)
    tensors = load_file(file)
    del tensors["lm_head.weight"]
    save_file(tensors, file, metadata={"format": "pt"})


def test_a_head_that_is_missing(folder: Path) -> None:
    without_head(folder)
    _, findings = examine(folder)
    assert findings["checkpoint.output-head-mismatch"]["outcome"] == "fail"
    assert findings[DAMAGED]["outcome"] == "pass"
    assert load(folder)["missing_keys"] == {"lm_head.weight"}


def test_a_head_that_is_shared(folder: Path) -> None:
    without_head(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["tie_word_embeddings"] = True
    write(folder / "config.json", config)
    _, findings = examine(folder)
    assert findings["checkpoint.output-head-mismatch"]["outcome"] == "pass"
    assert load(folder)["missing_keys"] == set()


def test_a_template_that_was_left_behind(folder: Path) -> None:
    template = folder / "chat_template.json"
    template.unlink()
    _, findings = examine(folder)
    assert findings["checkpoint.chat-template-missing"]["outcome"] == "fail"
    template.write_text(json.dumps({"chat_template": "{{ messages }}"}))
    _, findings = examine(folder)
    assert "no place for images" in findings["checkpoint.chat-template-missing"]["title"]


def test_an_image_limit_that_is_gone(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    _, findings = examine(folder)
    assert findings["memory.unbounded-image-size"]["outcome"] == "pass"


def test_the_config_of_another_family(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["Qwen2VLForConditionalGeneration"]
    write(folder / "config.json", config)
    _, findings = examine(folder)
    assert findings["checkpoint.wrong-model-class"]["outcome"] == "fail"
