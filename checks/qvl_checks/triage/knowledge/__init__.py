"""What triage knows about the published models and GPUs, read from the data file beside this
module.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec


class Size(msgspec.Struct, frozen=True):
    """Numbers of one published checkpoint's language model (`parameters` counts the vision tower
    too).
    """

    parameters: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int


class Family(msgspec.Struct, frozen=True, rename={"model_class": "class"}):
    """One architecture: `since` is the first transformers release with its class, `patch` and
    `merge` are in pixels and patches.
    """

    name: str
    since: str
    model_class: str
    vision_heads: int
    patch: int
    merge: int
    sizes: dict[str, Size]


class AutoClass(msgspec.Struct, frozen=True):
    """An auto class with the release that brought it and, if gone, the one that removed it and its
    successor.
    """

    since: str
    removed: str | None = None
    successor: str | None = None


class Knowledge(msgspec.Struct, frozen=True):
    """The content of ``models.json``."""

    provenance: str
    verified_on: str
    families: dict[str, Family]
    auto_classes: dict[str, AutoClass]
    gpus: dict[str, float]


@cache
def knowledge() -> Knowledge:
    """The data file, read once."""
    return msgspec.json.decode(
        files(__package__).joinpath("models.json").read_bytes(), type=Knowledge
    )
