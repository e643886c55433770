"""Whether the named model lies in the cache of huggingface_hub, without opening a connection.

Runs in the target: standard library only, Python 3.9. Layout of the cache:
``models--OWNER--NAME/{blobs,refs,snapshots/REVISION/FILE -> blob}``
(https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import reason_of, valid

REPOSITORIES = 64
REVISIONS = 16
FILES = 4096
WEIGHTS = (".safetensors", ".bin")
NUMBERED = re.compile(r"-(\d{5})-of-(\d{5})\.")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Snapshots of repositories whose name begins with the model's name.

    ``state`` is ``read``, ``not-asked`` (a folder, or no model, was named), ``missing`` (there is
    no cache) or ``unreadable``.
    """
    model = request.get("model")
    if not isinstance(model, dict) or model.get("source") != "published":
        return {"state": "not-asked"}
    cache = cache_folder(dict(os.environ))
    found: dict[str, Any] = {"state": "read", "folder": valid(str(cache)), "snapshots": []}
    try:
        names = sorted(entry.name for entry in os.scandir(cache))
    except FileNotFoundError:
        return {**found, "state": "missing"}
    except OSError as error:
        return {**found, "state": "unreadable", "reason": reason_of(error)}
    wanted = str(model["name"]).lower()
    fitting = [name for name in names if _model_of(name).lower().startswith(wanted)]
    for name in fitting[:REPOSITORIES]:
        found["snapshots"] += _snapshots(cache / name)
    found["unfinished"] = sum(_unfinished(cache / name) for name in fitting[:REPOSITORIES])
    return found


def cache_folder(environment: dict[str, str]) -> Path:
    """Where huggingface_hub keeps repositories, as its documentation of variables says."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return Path(environment[name]).expanduser()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or os.path.join(base, "huggingface")
    return Path(home).expanduser() / "hub"


def _model_of(folder: str) -> str:
    """``NAME`` of ``models--OWNER--NAME``; empty for anything else."""
    kind, _, rest = folder.partition("--")
    return rest.partition("--")[2] if kind == "models" else ""


def _snapshots(repository: Path) -> list[dict[str, Any]]:
    _, owner, name = repository.name.split("--", 2)
    rows = []
    for revision in _names(repository / "snapshots")[:REVISIONS]:
        folder = repository / "snapshots" / revision
        files = _names(folder)[:FILES]
        weights = [file for file in files if file.endswith(WEIGHTS)]
        rows.append(
            {
                "repository": valid(f"{owner}/{name}"),
                "revision": valid(revision),
                "folder": valid(str(folder)),
                "has_config": (folder / "config.json").is_file(),
                "weight_files": len(weights),
                "expected_files": _expected(weights),
                "dangling": sum(not (folder / file).exists() for file in files),
            }
        )
    return rows


def _expected(weights: list[str]) -> int | None:
    """How many numbered files there must be; None when they are not numbered."""
    totals = [int(match.group(2)) for name in weights if (match := NUMBERED.search(name))]
    return max(totals) if totals else None


def _unfinished(repository: Path) -> int:
    return sum(name.endswith(".incomplete") for name in _names(repository / "blobs"))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
