"""A checkpoint's folder without its weights: the headers, and as much nothing as there was data.

Loading it onto the meta device costs neither memory nor reading, and transformers applies its own
renaming of tensors, whatever that is in the installed release. Runs in the target: standard library
only, Python 3.9.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import READ, read_object
from qvl_checks.checkpoint.shard_header import OK, judge_shard

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
NOT_CARRIED = ("auto_map", "quantization_config")
"""Code of the checkpoint's own is never run; packed weights are not compared."""
SHARDS = 512


class Unusable(ValueError):
    """The folder holds no weights that can be shadowed; the message is for people."""


def cast_shadow(folder: Path, config: dict[str, Any], into: Path) -> list[str]:
    """Write the shadow of a checkpoint folder; returns the names of its tensors.

    Files are sparse: they have the size that their header states and occupy a few KB.

    Raises:
        Unusable: no safetensors files, or a damaged one.
        OSError: the disk is full, or does not take the files.
    """
    kept = {name: value for name, value in config.items() if name not in NOT_CARRIED}
    (into / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    names: list[str] = []
    for file in weight_files(folder):
        verdict, header = judge_shard(folder / file)
        if verdict["verdict"] != OK:
            raise Unusable(f"{file} is damaged ({verdict['verdict']})")
        with (folder / file).open("rb") as source, (into / file).open("wb") as shadow:
            shadow.write(source.read(8 + int(verdict["header_bytes"])))
            shadow.truncate(int(verdict["size_bytes"]))
        names += header
    if (folder / INDEX).is_file() and not (folder / WHOLE).is_file():
        (into / INDEX).write_bytes((folder / INDEX).read_bytes())
    return names


def weight_files(folder: Path) -> list[str]:
    """Those that transformers would load: the whole model, else those that the index names.

    Raises:
        Unusable: there are none.
    """
    if (folder / WHOLE).is_file():
        return [WHOLE]
    index = read_object(folder / INDEX)
    table = index["value"].get("weight_map") if index["state"] == READ else None
    if not isinstance(table, dict) or not table:
        raise Unusable("the folder holds no model weights in safetensors files")
    # A name with a separator would lead out of the folder.
    named = {str(file) for file in table.values() if Path(str(file)).name == str(file)}
    return sorted(named)[:SHARDS]
