"""Data tables: the TOML files of a package."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def tables(package: str) -> dict[str, dict[str, Any]]:
    """Every table beside a package's modules, by its name without ``.toml``, sorted."""
    found = (path for path in files(package).iterdir() if path.name.endswith(".toml"))
    return {
        path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(found, key=lambda path: path.name)
    }


def table(package: str, name: str) -> dict[str, Any]:
    """One table of a package."""
    return tomllib.loads(files(package).joinpath(name).read_text(encoding="utf-8"))
