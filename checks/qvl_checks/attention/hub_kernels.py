"""Attention kernels of the Hub that are already in the local cache; nothing is ever fetched.

Runs in the target; standard library only at module level. Loading one imports compiled code, so it
belongs in a child that may die.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

REPOSITORIES = {
    "hub:flash-attn": "kernels-community/flash-attn",
    "hub:flash-attn2": "kernels-community/flash-attn2",
    "hub:flash-attn3": "kernels-community/flash-attn3",
    "hub:vllm-flash-attn3": "kernels-community/vllm-flash-attn3",
    "hub:flash-attn4": "kernels-community/flash-attn4",
}
"""Those that one transformers release or another takes in place of flash-attn."""
LAYOUTS = ("kernels--", "models--")
"""Names of a repository's folder in the cache, of newer and older releases of ``kernels``."""


def cached() -> tuple[dict[str, Path], dict[str, str]]:
    """Implementation -> its snapshot in the cache, and implementation -> why it is not checked."""
    if importlib.util.find_spec("kernels") is None:
        return {}, {"kernels from the Hub": "the package kernels is not installed"}
    folder = cache_folder()
    if folder is None:
        return {}, {"kernels from the Hub": "huggingface_hub does not say where its cache is"}
    found: dict[str, Path] = {}
    absent: dict[str, str] = {}
    for name, repository in REPOSITORIES.items():
        snapshot = newest_snapshot(folder, repository)
        if snapshot is None:
            absent[name] = f"{repository} is not in the cache, and nothing is downloaded"
        else:
            found[name] = snapshot
    return found, absent


def cache_folder() -> Path | None:
    """Where ``kernels`` keeps what it fetched."""
    stated = os.environ.get("KERNELS_CACHE") or os.environ.get("HF_KERNELS_CACHE")
    if stated:
        return Path(stated)
    try:
        return Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)
    except (ImportError, AttributeError):
        return None


def newest_snapshot(folder: Path, repository: str) -> Path | None:
    """The snapshot written last that holds a build."""
    snapshots = []
    for prefix in LAYOUTS:
        held = folder / (prefix + repository.replace("/", "--")) / "snapshots"
        try:
            snapshots += [path for path in held.iterdir() if (path / "build").is_dir()]
        except OSError:
            continue
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def load(repository: str, snapshot: Path) -> Any:
    """Import the build that fits this torch, with the network shut for this process.

    Raises:
        Exception: whatever ``kernels`` raises where no build fits.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants: Any = importlib.import_module("huggingface_hub.constants")
    constants.HF_HUB_OFFLINE = True
    get_local_kernel = importlib.import_module("kernels").get_local_kernel
    if "package_name" in inspect.signature(get_local_kernel).parameters:
        package = repository.rpartition("/")[2].replace("-", "_")
        return get_local_kernel(snapshot, package)
    return get_local_kernel(snapshot)
