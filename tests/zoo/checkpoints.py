"""Broken checkpoints by recipe: a small real one, and copies of it with one thing wrong each."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from tests.zoo.environments import MARK, Recipe, Say, copy_linked, recipes, replace

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{digest:064x}\nsize {size}\n"
"""The file that git-lfs leaves where it has not fetched the real one."""


class Checkpoints:
    """Builds into one folder, and only what is not there yet."""

    def __init__(self, folder: Path, say: Say = print) -> None:
        self._folder = folder.absolute() / "checkpoints"
        self._recipes = recipes()["checkpoint"]
        self._say = say

    def path(self, name: str) -> Path:
        """The checkpoint's folder, built if need be."""
        home, mark = self._folder / name, self._folder / f"{name}{MARK}"
        if mark.exists():
            return home
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        recipe = self._recipes[name]
        self._say(f"checkpoint {name}: {' '.join(sorted(recipe.keys() - {'check'}))}")
        if "family" in recipe:
            script = Path(__file__).with_name("tiny_checkpoint.py")
            command = [sys.executable, str(script), recipe["family"], str(home)]
            subprocess.run(command, check=True, timeout=280, stderr=subprocess.DEVNULL)
        else:
            copy_linked(self.path(recipe["like"]), home)
            damage(home, recipe)
        mark.touch()
        return home


def damage(folder: Path, recipe: Recipe) -> None:
    """What the recipe says, done to the files; shared content is never written to."""
    for file, size in recipe.get("truncate", {}).items():
        content = (folder / file).read_bytes()
        assert len(content) > size
        (folder / file).unlink()
        (folder / file).write_bytes(content[:size])
    for file in recipe.get("lfs_pointer", ()):
        size = (folder / file).stat().st_size
        replace(folder / file, POINTER.format(digest=size * 2654435761, size=size))
    for file in recipe.get("empty", ()):
        replace(folder / file, "")
    for file in recipe.get("delete", ()):
        (folder / file).unlink()
    for name in recipe.get("drop_tensors", ()):
        drop_tensor(folder, name)
    for file, keys in recipe.get("drop_keys", {}).items():
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        replace(folder / file, json.dumps({k: v for k, v in content.items() if k not in keys}))
    for file, changes in recipe.get("set_keys", {}).items():
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        replace(folder / file, json.dumps({**content, **changes}))


def drop_tensor(folder: Path, name: str) -> None:
    """Take one tensor out of its shard and out of the index, the rest stays valid."""
    index_path = folder / "model.safetensors.index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    shard = folder / index["weight_map"].pop(name)
    content = shard.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    begin, end = header.pop(name)["data_offsets"]
    for row in header.values():
        offsets = row.get("data_offsets")
        if offsets and offsets[0] >= end:
            row["data_offsets"] = [offset - (end - begin) for offset in offsets]
    raw = json.dumps(header).encode()
    shard.unlink()
    shard.write_bytes(struct.pack("<Q", len(raw)) + raw + data[:begin] + data[end:])
    replace(index_path, json.dumps(index, indent=2))
