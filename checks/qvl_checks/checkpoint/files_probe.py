"""A checkpoint folder as facts, from directory entries, JSON files and headers of weight files.

Runs in the target: standard library only, Python 3.9. Nothing is unpickled, imported, executed or
downloaded; weights are not read. A file that cannot be read is recorded, never raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import (
    INVALID,
    READ,
    first_bytes,
    read_object,
    reason_of,
    regular_size,
    valid,
)
from qvl_checks.checkpoint.shard_header import PROBE_BYTES, first_kind, judge_shard
from qvl_checks.checkpoint.tensor_names import describe, examples, prefixes

ENTRIES = 4096
"""Directory entries looked at; a published checkpoint has some hundred."""
SHARDS = 512
HEADER_BUDGET = 400_000_000
"""Bytes of headers parsed in all; the largest published model needs about 10 MB."""
SETTINGS_LIMIT = 4_000_000
"""Bytes of a settings file that is copied into the facts as it is."""
TEMPLATE_LIMIT = 1_000_000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
READ_BY_OTHERS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "qwen.tiktoken",
    "model.safetensors.index.json",
)
"""Files that git-lfs or a broken download may have replaced, and whose content is not needed."""
UNFINISHED = (".incomplete", ".part", ".aria2", ".crdownload")
SETTINGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "adapter_config.json",
    "quantize_config.json",
)
SLOTS = ("<|image_pad|>", "<|video_pad|>")


def run(args: dict[str, Any]) -> dict[str, Any]:
    """Facts about the folder ``args["model"]["path"]``.

    ``state`` is ``read``, ``not-given``, ``missing``, ``not-a-folder`` or ``unreadable``; the other
    fields are there when it is ``read``.
    """
    model = args.get("model")
    path = model.get("path") if isinstance(model, dict) else None
    if not path:
        return {"state": "not-given", "path": "", "reason": ""}
    folder = Path(str(path))
    try:
        if not folder.exists():
            return {"state": "missing", "path": valid(str(path)), "reason": ""}
        if not folder.is_dir():
            return {"state": "not-a-folder", "path": valid(str(path)), "reason": ""}
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, ENTRIES + 1))
    except (OSError, ValueError) as error:
        return {"state": "unreadable", "path": valid(str(path)), "reason": reason_of(error)}
    return {"state": READ, "path": valid(str(path)), "reason": "", **_contents(folder, names)}


def _contents(folder: Path, names: list[str]) -> dict[str, Any]:
    kept = names[:ENTRIES]
    settings = {name: read_object(folder / name, SETTINGS_LIMIT) for name in SETTINGS}
    config = settings["config.json"]["value"] or {}
    shards, headers = _shards(folder, [name for name in kept if name.endswith(".safetensors")])
    index = _index(folder, kept, headers)
    weights: dict[str, Any] = {}
    for name, header in headers.items():
        if not _is_adapter(name):
            weights.update(header)
    tokenizer = read_object(folder / "tokenizer_config.json")
    return {
        "entries": len(kept),
        "more_entries": len(names) > len(kept),
        "settings": settings,
        "quantization_config": _quantization(config, settings["quantize_config.json"]["value"]),
        "tie_word_embeddings": _tied(config),
        "tokenizer": _tokenizer(tokenizer),
        "chat_templates": _templates(folder, tokenizer["value"] or {}),
        "shards": shards,
        "index": {key: value for key, value in index.items() if key != "names"},
        "tensors": describe(weights, index["names"]),
        "adapter": _adapter(headers),
        "pickles": [_first(folder, name) for name in kept if name.endswith(PICKLES)],
        "other_files": [_first(folder, name) for name in READ_BY_OTHERS if name in kept],
        "unfinished": [valid(name) for name in kept if name.endswith(UNFINISHED)],
        "remote_code": _remote_code(config, tokenizer["value"] or {}, kept),
    }


def _is_adapter(name: str) -> bool:
    return name.startswith("adapter_")


def _shards(folder: Path, names: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Verdict per weight file, and the headers of those that could be read, by file name."""
    rows: list[dict[str, Any]] = []
    headers: dict[str, Any] = {}
    budget = HEADER_BUDGET
    for name in names:
        if len(rows) == SHARDS or budget <= 0:
            break
        row, header = judge_shard(folder / name)
        budget -= row["header_bytes"] or 0
        if header:
            headers[name] = header
        rows.append({"name": valid(name), "tensors": len(header), **row})
    rows += [{"name": valid(name), "verdict": "not-read"} for name in names[len(rows) :]]
    return rows, headers


def _index(folder: Path, names: list[str], headers: dict[str, Any]) -> dict[str, Any]:
    """The index against the files that exist and the tensor names in their headers."""
    found = [name for name in names if name.endswith(".safetensors.index.json")]
    chosen = "model.safetensors.index.json"
    if chosen not in found and found:
        chosen = found[0]
    fact = read_object(folder / chosen)
    row: dict[str, Any] = {"name": valid(chosen), "state": fact["state"], "reason": fact["reason"]}
    if fact["state"] != READ:
        return {**row, "names": []}
    table = fact["value"].get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(file, str) for file in table.values()):
        row.update(state=INVALID, reason="weight_map does not map tensor names to file names")
        return {**row, "names": []}
    listed = set(table.values())
    present = [name for name in names if name.endswith(".safetensors") and not _is_adapter(name)]
    absent = [tensor for tensor, file in table.items() if tensor not in headers.get(file, {})]
    extra = [tensor for file in listed & set(headers) for tensor in headers[file]]
    return {
        **row,
        "tensors_named": len(table),
        "files_named": len(listed),
        "files_missing": examples(listed - set(names)),
        "files_not_named": examples(set(present) - listed),
        "tensors_missing": examples(t for t in absent if table[t] in headers),
        "tensors_in_unreadable_files": examples(t for t in absent if table[t] not in headers),
        "tensors_not_named": examples(t for t in extra if t not in table),
        "names": list(table),
    }


def _adapter(headers: dict[str, Any]) -> dict[str, Any]:
    names = [t for file, header in headers.items() if _is_adapter(file) for t in header]
    return {**examples(names), "prefixes": prefixes(names)}


def _quantization(config: dict[str, Any], separate: Any) -> Any:
    key = "quantization_config"
    return _of(config, key, dict) or _of(_text_config(config), key, dict) or separate


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    text = config.get("text_config")
    return text if isinstance(text, dict) else {}


def _tied(config: dict[str, Any]) -> dict[str, Any]:
    """The flag where 5.x reads it and where 4.x reads it; None: not set there."""
    key = "tie_word_embeddings"
    return {"top": _of(config, key, bool), "text_config": _of(_text_config(config), key, bool)}


def _of(table: dict[str, Any], key: str, kind: type) -> Any:
    """The value under ``key`` if it is of that kind, else None."""
    value = table.get(key)
    return value if isinstance(value, kind) else None


def _tokenizer(fact: dict[str, Any]) -> dict[str, Any]:
    value = fact["value"] or {}
    return {
        "state": fact["state"],
        "reason": fact["reason"],
        "padding_side": _of(value, "padding_side", str),
        "tokenizer_class": _of(value, "tokenizer_class", str),
        "has_chat_template": bool(value.get("chat_template")),
    }


def _templates(folder: Path, tokenizer: dict[str, Any]) -> list[dict[str, Any]]:
    """Chat templates by the place they stand in, with the media slots that their text names."""

    def legacy() -> str:
        fact = read_object(folder / "chat_template.json", TEMPLATE_LIMIT)
        if fact["state"] != READ:
            raise ValueError(fact["reason"] or fact["state"])
        return str(fact["value"].get("chat_template", ""))

    def plain(path: Path) -> Callable[[], str]:
        return lambda: first_bytes(path, TEMPLATE_LIMIT).decode("utf-8", "replace")

    places: dict[str, Callable[[], str]] = {}
    if os.path.lexists(folder / "chat_template.json"):
        places["chat_template.json"] = legacy
    if os.path.lexists(folder / "chat_template.jinja"):
        places["chat_template.jinja"] = plain(folder / "chat_template.jinja")
    more = folder / "additional_chat_templates"
    try:
        for name in sorted(os.listdir(more))[:64]:
            places[f"{more.name}/{valid(name)}"] = plain(more / name)
    except OSError:
        pass  # no such folder in most checkpoints
    if tokenizer.get("chat_template"):
        places["tokenizer_config.json"] = lambda: str(tokenizer["chat_template"])
    return [{"place": place, **_slots(text)} for place, text in places.items()]


def _slots(read: Callable[[], str]) -> dict[str, Any]:
    try:
        text = read()
    except (OSError, ValueError) as error:
        return {"slots": [], "characters": None, "reason": reason_of(error)}
    return {"slots": [s for s in SLOTS if s in text], "characters": len(text), "reason": ""}


def _first(folder: Path, name: str) -> dict[str, Any]:
    """Named, and judged by its first bytes; never opened as what it claims to be."""
    try:
        size = regular_size(folder / name)
        kind = first_kind(first_bytes(folder / name, PROBE_BYTES), size) or "data"
        return {"name": valid(name), "size_bytes": size, "kind": kind, "reason": ""}
    except OSError as error:
        found = {"name": valid(name), "size_bytes": None, "kind": "unreadable"}
        return {**found, "reason": reason_of(error)}


def _remote_code(
    config: dict[str, Any], tokenizer: dict[str, Any], names: list[str]
) -> dict[str, Any]:
    """Classes that the checkpoint wants to import from its own Python files."""
    auto: set[str] = set()
    for value in (config, tokenizer):
        table = value.get("auto_map")
        auto.update(valid(str(key)) for key in table or () if isinstance(table, dict))
    return {
        "auto_map": sorted(auto),
        "python_files": [valid(name) for name in names if name.endswith(".py")][:64],
    }
