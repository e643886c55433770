"""Installed distributions along ``sys.path``, read without importing any of them.

Runs in the target: standard library only, Python 3.9. The order of ``sys.path`` is kept, so that
the first copy of a name is the one whose metadata wins, as in ``importlib.metadata``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

from qvl_checks.host.guarded import Guarded, valid

SUFFIXES = (".dist-info", ".egg-info")
REQUIREMENT_LIMIT = 400
CREDENTIALS = re.compile(r"://[^/@\s]+@")


def normalised(name: str) -> str:
    """The name as the packaging standard compares it: ``Flash_Attn`` -> ``flash-attn``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def metadata_folders(path: list[str]) -> Iterator[tuple[str, str, Path]]:
    """(normalised name, version in the folder's name, folder) of every distribution on ``path``."""
    seen = set()
    for entry in path:
        folder = Path(entry or ".")
        try:
            real = folder.resolve()
            names = sorted(os.listdir(folder))
        except OSError:
            continue  # a zip file or a folder that does not exist
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix in SUFFIXES and not stem.startswith("~"):
                project, _, version = stem.partition("-")
                if suffix == ".egg-info":
                    version = version.partition("-py")[0]
                yield normalised(project), version, folder / name


def describe(folder: Path) -> dict[str, Any]:
    """One copy of a distribution; a field that cannot be read is None with a reason."""
    distribution = PathDistribution(folder)
    copy = Guarded()
    copy.read("version", lambda: _stated(distribution.metadata["Version"], "Version"))
    copy.read("requires_python", lambda: _optional(distribution.metadata["Requires-Python"]))
    copy.read(
        "requires", lambda: [str(line)[:REQUIREMENT_LIMIT] for line in distribution.requires or ()]
    )
    copy.read("installer", lambda: (distribution.read_text("INSTALLER") or "").strip() or None)
    copy.read("wheel_tags", lambda: _wheel_tags(distribution))
    copy.read("source", lambda: _source(distribution))
    copy.read("editable", lambda: _editable(distribution))
    return {
        **copy.row(),
        "location": valid(str(folder.parent)),
        "metadata": valid(folder.name),
    }


def _stated(value: object, field: str) -> str:
    if not value:
        raise ValueError(f"the metadata states no {field}")
    return str(value)


def _optional(value: object) -> str | None:
    return str(value) if value else None


def _wheel_tags(distribution: PathDistribution) -> list[str]:
    """``cp311-cp311-linux_x86_64``, ...; empty for what was not installed from a wheel."""
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]


def _direct_url(distribution: PathDistribution) -> dict[str, Any]:
    document = json.loads(distribution.read_text("direct_url.json") or "{}")
    return document if isinstance(document, dict) else {}


def _editable(distribution: PathDistribution) -> bool:
    folder = _direct_url(distribution).get("dir_info")
    return isinstance(folder, dict) and bool(folder.get("editable"))


def _source(distribution: PathDistribution) -> str | None:
    """Where it was installed from, when not from an index; without credentials."""
    url = _direct_url(distribution).get("url")
    return CREDENTIALS.sub("://", str(url)) if url else None
