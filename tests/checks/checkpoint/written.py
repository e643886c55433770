"""Checkpoint folders as tests write them, and the files probe on them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgspec

from qvl_checks.checkpoint import files_probe
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Shard

BYTES = {"BF16": 2, "F32": 4, "U8": 1}


Layout = dict[str, tuple[str, list[int]]]


TEXT: Layout = {
    "model.language_model.embed_tokens.weight": ("BF16", [8, 4]),
    "model.language_model.layers.0.self_attn.k_proj.bias": ("BF16", [4]),
    "model.language_model.layers.0.self_attn.k_proj.weight": ("BF16", [4, 4]),
}


VISION: Layout = {"model.visual.blocks.0.attn.qkv.weight": ("F32", [3, 4])}


HEAD: Layout = {"lm_head.weight": ("BF16", [8, 4])}


POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)


def header_of(layout: Layout) -> dict[str, Any]:
    """The header of a file that holds these tensors one after the other."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in layout.items():
        begin = end
        size = BYTES[dtype]
        for side in shape:
            size *= side
        end += size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return header


def encoded(header: dict[str, Any] | bytes, data: int) -> bytes:
    """A safetensors file with this header and that many bytes of data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\x01" * data


def data_bytes(layout: Layout) -> int:
    ends = [entry["data_offsets"][1] for name, entry in header_of(layout).items() if name[0] != "_"]
    return max(ends, default=0)


def write_shard(path: Path, layout: Layout) -> bytes:
    content = encoded(header_of(layout), data_bytes(layout))
    path.write_bytes(content)
    return content


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def probe(folder: Path | str) -> CheckpointFilesFacts:
    """Run the probe as the agent does: through JSON, then into the typed facts."""
    raw = files_probe.run({"model": {"path": str(folder)}})
    wire = json.dumps(raw, allow_nan=False, ensure_ascii=False).encode()
    return msgspec.convert(json.loads(wire), CheckpointFilesFacts, strict=True)


def only_shard(folder: Path) -> Shard:
    (shard,) = probe(folder).shards
    return shard
