"""Safetensors files, whole and with every kind of damage, as the files probe reads them."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest
from tests.checks.checkpoint.written import (
    POINTER,
    TEXT,
    Layout,
    data_bytes,
    encoded,
    header_of,
    only_shard,
    probe,
    write_shard,
)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_truncated_shard(tmp_path: Path, cut: int) -> None:
    layout: Layout = {"a": ("F32", [100])}
    content = write_shard(tmp_path / "model.safetensors", layout)
    (tmp_path / "model.safetensors").write_bytes(content[:-cut])
    shard = only_shard(tmp_path)
    assert shard.verdict == "truncated"
    assert (shard.missing_bytes, shard.expected_bytes) == (cut, len(content))
    assert shard.tensors == 1, "the header is whole, so its names are known"


def test_truncated_inside_the_header(tmp_path: Path) -> None:
    content = write_shard(tmp_path / "model.safetensors", TEXT)
    (tmp_path / "model.safetensors").write_bytes(content[:60])
    shard = only_shard(tmp_path)
    assert shard.verdict == "truncated"
    assert shard.missing_bytes == len(content) - data_bytes(TEXT) - 60
    assert shard.tensors == 0


@pytest.mark.parametrize("length", range(1, 8))
def test_shorter_than_the_header_length(tmp_path: Path, length: int) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00"[:length])
    assert only_shard(tmp_path).verdict == "truncated"


def test_overlong_shard(tmp_path: Path) -> None:
    content = write_shard(tmp_path / "model.safetensors", TEXT)
    (tmp_path / "model.safetensors").write_bytes(content + b"\n<html>")
    shard = only_shard(tmp_path)
    assert (shard.verdict, shard.missing_bytes) == ("overlong", -7)


def test_lfs_pointer_names_the_real_size(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(POINTER)
    shard = only_shard(tmp_path)
    assert shard.verdict == "git-lfs-pointer"
    assert shard.expected_bytes == 12345
    assert shard.missing_bytes == 12345 - len(POINTER)


HOLE = {
    "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
    "b": {"dtype": "U8", "shape": [4], "data_offsets": [8, 12]},
}


OVERLAP = {
    "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
    "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
}


DAMAGE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "html page": (b"<!DOCTYPE html><html><body>503</body></html>", "html-page"),
    "html after blanks": (b"\r\n  <HTML lang=en>", "html-page"),
    "xml error of a bucket": (b'<?xml version="1.0"?><Error/>', "html-page"),
    "text": (b"Entry not found, please log in\n", "header-too-large"),
    "zip": (b"PK\x03\x04" + b"\x00" * 60, "header-invalid"),
    "random small length": (struct.pack("<Q", 16) + b"\x00" * 64, "header-invalid"),
    "zeros": (b"\x00" * 4096, "header-invalid"),
    "length one": (struct.pack("<Q", 1) + b"{" * 64, "header-invalid"),
    "huge length": (struct.pack("<Q", 2**63) + b"{}", "header-too-large"),
    "above the limit": (struct.pack("<Q", 100_000_001) + b"{}", "header-too-large"),
    "not JSON": (encoded(b'{"a": nonsense}', 8), "header-invalid"),
    "not UTF-8": (encoded(b'{"\xff": 1}', 8), "header-invalid"),
    "NaN": (encoded(b'{"a": NaN}', 8), "header-invalid"),
    "half a surrogate": (encoded(rb'{"\ud800": {}}', 8), "header-invalid"),
    "deep nesting": (encoded(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 0), "header-inv"),
    "hole": (encoded(HOLE, 12), "offsets-invalid"),
    "overlap": (encoded(OVERLAP, 6), "offsets-invalid"),
    "entry is a list": (encoded({"a": [1, 2]}, 4), "offsets-invalid"),
    "entry lacks offsets": (encoded({"a": {"dtype": "U8", "shape": [4]}}, 4), "offsets-invalid"),
    "three offsets": (
        encoded({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 2, 4]}}, 4),
        "offsets-invalid",
    ),
    "negative": (
        encoded({"a": {"dtype": "U8", "shape": [-4], "data_offsets": [0, 4]}}, 4),
        "offsets-invalid",
    ),
    "true is no number": (
        encoded({"a": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}}, 1),
        "offsets-invalid",
    ),
    "shape against bytes": (
        encoded({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}, 8),
        "offsets-invalid",
    ),
    "dtype is a list": (
        encoded({"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}, 8),
        "offsets-invalid",
    ),
    "astronomic shape": (
        encoded({"a": {"dtype": "F32", "shape": [10**18] * 60, "data_offsets": [0, 8]}}, 8),
        "offsets-invalid",
    ),
    "huge shape of many sides": (
        encoded({"a": {"dtype": "U8", "shape": [2**62] * 100_000, "data_offsets": [0, 1]}}, 1),
        "offsets-invalid",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_shard(tmp_path: Path, kind: str) -> None:
    content, verdict = DAMAGE[kind]
    (tmp_path / "model.safetensors").write_bytes(content)
    shard = only_shard(tmp_path)
    assert shard.verdict.startswith(verdict)
    assert shard.size_bytes == len(content)
    assert shard.tensors == 0


SOUND: dict[str, bytes] = {
    "no tensors": encoded({}, 0),
    "padded header": encoded(json.dumps(header_of(TEXT)).encode() + b"   ", data_bytes(TEXT)),
    "scalar": encoded({"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}, 4),
    "tensor without elements": encoded(
        {
            "a": {"dtype": "F32", "shape": [0, 4], "data_offsets": [0, 0]},
            "b": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        },
        3,
    ),
    "hundred dimensions": encoded(
        {"a": {"dtype": "U8", "shape": [1] * 100, "data_offsets": [0, 1]}}, 1
    ),
    "a dtype of the future": encoded(
        {"a": {"dtype": "F4_X", "shape": [9], "data_offsets": [0, 5]}}, 5
    ),
    "any order": encoded(dict(reversed(header_of(TEXT).items())), data_bytes(TEXT)),
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_shard(tmp_path: Path, kind: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(SOUND[kind])
    assert only_shard(tmp_path).verdict == "ok"


@pytest.mark.parametrize("kind", [*DAMAGE, "pointer", "truncated", "overlong", *SOUND])
def test_agrees_with_the_reference_reader(tmp_path: Path, kind: str) -> None:
    """Whatever safetensors itself refuses is refused here, and the other way round."""
    safetensors = pytest.importorskip("safetensors")
    known_only_here = {"a dtype of the future"}
    if kind in known_only_here:
        pytest.skip("the reference reader knows today's dtypes only")
    special = {
        "pointer": POINTER,
        "truncated": encoded(header_of(TEXT), data_bytes(TEXT) - 1),
        "overlong": encoded(header_of(TEXT), data_bytes(TEXT) + 1),
    }
    content = special.get(kind) or SOUND.get(kind) or DAMAGE[kind][0]
    try:
        safetensors.deserialize(content)
        loads = True
    except Exception:
        loads = False
    (tmp_path / "model.safetensors").write_bytes(content)
    assert (only_shard(tmp_path).verdict == "ok") == loads


def test_a_large_shard_costs_only_its_header(tmp_path: Path) -> None:
    """A sparse file of 8 GB is judged at once: its data are never read."""
    elements = 4_000_000_000
    header = {"a": {"dtype": "BF16", "shape": [elements], "data_offsets": [0, 2 * elements]}}
    content = encoded(header, 0)
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    os.truncate(path, len(content) + 2 * elements)
    started = time.monotonic()
    assert only_shard(tmp_path).verdict == "ok"
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.timeout(20)
def test_a_pipe_does_not_hang_the_probe(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "pytorch_model.bin", "chat_template.jinja"):
        os.mkfifo(tmp_path / name)
    facts = probe(tmp_path)
    assert facts.shards[0].verdict == "unreadable"
    assert facts.settings["config.json"].state == "unreadable"
    assert facts.pickles[0].kind == "unreadable"
    assert facts.chat_templates[0].characters is None


def test_folders_and_broken_links_in_place_of_files(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").mkdir()
    (tmp_path / "model-2.safetensors").symlink_to(tmp_path / "blobs" / "gone")
    (tmp_path / "config.json").symlink_to(tmp_path / "blobs" / "gone")
    facts = probe(tmp_path)
    assert [shard.verdict for shard in facts.shards] == ["unreadable", "unreadable"]
    assert facts.settings["config.json"].state == "unreadable"
    assert "link" in facts.settings["config.json"].reason


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_recorded(tmp_path: Path) -> None:
    write_shard(tmp_path / "model.safetensors", TEXT)
    (tmp_path / "model.safetensors").chmod(0)
    shard = only_shard(tmp_path)
    assert shard.verdict == "unreadable"
    assert "Permission" in shard.reason
