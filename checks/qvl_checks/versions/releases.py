"""Which transformers release brought which model type, and the Python that releases need."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import msgspec
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).with_name("releases.toml")


class Releases(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``releases.toml``."""

    provenance: str
    verified_on: str
    newest_checked: str
    python: dict[str, str]
    since: dict[str, str]
    install: dict[str, str]


@cache
def releases() -> Releases:
    """The data, checked on loading."""
    return msgspec.convert(tomllib.loads(DATA.read_text(encoding="utf-8")), Releases)


def first_release(model_type: str) -> str | None:
    """The first transformers release that has this model type; None: not a known Qwen-VL type."""
    return releases().since.get(model_type)


def requirement_for(model_type: str) -> str | None:
    """What to install for a model type: a good release of the same major series, or later."""
    since = first_release(model_type)
    if since is None:
        return None
    good = releases().install[since]
    return f"transformers>={good},<{Version(good).major + 1}"


def python_for(release: str) -> str:
    """The oldest Python, such as "3.10", on which a transformers release installs."""
    wanted = Version(release)
    floors = releases().python
    reached = [Version(start) for start in floors if Version(start) <= wanted]
    return floors[str(max(reached))] if reached else next(iter(floors.values()))
