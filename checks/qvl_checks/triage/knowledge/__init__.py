"""What triage knows about published models and GPUs: the catalogue, and the table beside this
module for what is no Qwen-VL.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from qvl_checks.models.catalogue import families, published_config, sizes

from ..tables import table

_BILLIONS = re.compile(r"-(\d+(?:\.\d+)?B)\b")


class Size(msgspec.Struct, frozen=True):
    """Numbers of one published checkpoint's language model (`parameters` counts the vision tower
    too; None where no exact number is known).
    """

    label: str
    parameters: int | None
    hidden: int
    heads: int
    vocab: int


class Family(msgspec.Struct, frozen=True, rename={"model_class": "class"}):
    """One architecture: `since` is the first transformers release with its class, `patch` and
    `merge` are in pixels and patches, `sizes` go by the billions in their names (``7B``).
    """

    name: str
    since: str
    model_class: str
    vision_heads: int
    patch: int
    merge: int
    sizes: dict[str, Size] = {}


class AutoClass(msgspec.Struct, frozen=True):
    """An auto class with the release that brought it and, if gone, the one that removed it and its
    successor.
    """

    since: str
    removed: str | None = None
    successor: str | None = None


class Knowledge(msgspec.Struct, frozen=True):
    """All of it; `families` by model type, `gpus` give the compute capability."""

    families: dict[str, Family]
    auto_classes: dict[str, AutoClass]
    processor_attributes: dict[str, str]
    gpus: dict[str, float]


@cache
def knowledge() -> Knowledge:
    """The tables, read once."""
    facts = table(__package__, "facts.toml")
    relatives = msgspec.convert(facts["relatives"], dict[str, Family])
    return Knowledge(
        {**{model_type: _family(model_type) for model_type in families()}, **relatives},
        msgspec.convert(facts["auto_classes"], dict[str, AutoClass]),
        msgspec.convert(facts["processor_attributes"], dict[str, str]),
        msgspec.convert(facts["gpus"], dict[str, float]),
    )


def _family(model_type: str) -> Family:
    known = families()[model_type]
    found: dict[str, Size] = {}
    vision = dict(known.vision)
    for label, size in sizes().items():
        billions = _BILLIONS.search(label)
        if size.family != model_type or billions is None:
            continue
        config = published_config(label)
        text = config.get("text_config", config)
        # The largest size stands for the family: its tower is the common one.
        vision = {**vision, **config["vision_config"]}
        found[billions.group(1)] = Size(
            label,
            size.parameters,
            text["hidden_size"],
            text["num_attention_heads"],
            text["vocab_size"],
        )
    return Family(
        known.title,
        known.since,
        known.class_name,
        vision["num_heads"],
        vision["patch_size"],
        vision["spatial_merge_size"],
        found,
    )
