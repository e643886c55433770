"""What is known of the Qwen-VL families and of the releases of transformers."""

import json
import re
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from packaging.version import Version

QWEN2 = frozenset({"qwen2_vl", "qwen2_5_vl"})
BIASED = QWEN2 | {"qwen2_5_omni"}
"""Language models with large key biases and no norm on queries and keys."""
QWEN3 = frozenset({"qwen3_vl", "qwen3_vl_moe"})
ANY_VL = QWEN2 | QWEN3
LEGACY = "qwen_vl"
NEVER_LEGACY = {"AutoModelForVision2Seq", "AutoModelForImageTextToText"}
"""Classes that never loaded the first Qwen-VL: its name is that of a folder or a topic."""
CAUSAL_ACCEPTED = frozenset({"qwen3_5", "qwen3_5_moe", "qwen4_exp", LEGACY})

_CLASS_PREFIXES = (
    ("Qwen2_5_VL", "qwen2_5_vl"),
    ("Qwen2_5Omni", "qwen2_5_omni"),
    ("Qwen2VL", "qwen2_vl"),
    ("Qwen3VLMoe", "qwen3_vl_moe"),
    ("Qwen3VL", "qwen3_vl"),
    ("Qwen3OmniMoe", "qwen3_omni_moe"),
    ("Qwen3_5Moe", "qwen3_5_moe"),
    ("Qwen3_5", "qwen3_5"),
    ("Qwen4Exp", "qwen4_exp"),
)
_NAMES = (
    (re.compile(r"qwen4[-_]?exp"), "qwen4_exp"),
    (re.compile(r"qwen[-_]?3[._]5"), "qwen3_5"),
    (re.compile(r"qwen[-_]?3[-_]?omni"), "qwen3_omni_moe"),
    (re.compile(r"qwen[-_]?3[-_]?vl"), "qwen3_vl"),
    (re.compile(r"qwen[-_]?2[._-]?5[-_]?omni"), "qwen2_5_omni"),
    (re.compile(r"qwen[-_]?2[._-]?5[-_]?vl"), "qwen2_5_vl"),
    (re.compile(r"qwen[-_]?2[-_]?vl|qvq-72b"), "qwen2_vl"),
    (re.compile(r"qwen[-_]?vl(?![a-z])"), LEGACY),
)
_HUB_ID = re.compile(r"\bQwen/[\w.-]+")
_MIXTURE = re.compile(r"[-_]a\d+b\b|\d+b-a\d|moe")
_OTHERS = re.compile(
    r"llava|internvl|onevision|minicpm|smolvlm|gemma|paligemma|idefics|janus|molmo|pixtral|phi-?[34]|colqwen|glm|ovis"
)


@cache
def data() -> dict[str, Any]:
    """The tables beside this module."""
    text = (
        resources.files(__package__).joinpath("data/transformers.json").read_text(encoding="utf-8")
    )
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def version_table(name: str) -> dict[str, Version]:
    """One table of the data as {name: version}."""
    return {key: Version(value) for key, value in data()[name].items()}


def newest() -> Version:
    """The newest release of transformers that the tables know."""
    return Version(data()["newest"])


def family_of_class(name: str) -> str | None:
    """The model family that a transformers class belongs to."""
    return next((family for prefix, family in _CLASS_PREFIXES if name.startswith(prefix)), None)


def families_of_name(text: str) -> frozenset[str]:
    """The families that a model id or path may mean; U+0000 marks unknown parts; empty if it is no
    Qwen-VL.
    """
    parts = [part for part in text.lower().replace("\\", "/").split("/") if part]
    for number, candidate in enumerate((*reversed(parts), text.lower())):
        if _OTHERS.search(candidate):
            return frozenset()
        for pattern, family in _NAMES:
            if pattern.search(candidate):
                if family == LEGACY and number:
                    # A folder called Qwen-VL holds anything.
                    return frozenset()
                return _with_mixture(family, candidate)
    return frozenset()


@lru_cache(maxsize=256)
def families_written(text: str) -> frozenset[str]:
    """The families of the hub ids that a program spells out, if it speaks of no other model; what
    an id that is not known at some place is likely to be.
    """
    if _OTHERS.search(text.lower()):
        return frozenset()
    families = [families_of_name(name) for name in _HUB_ID.findall(text)]
    return frozenset().union(*families) if families and all(families) else frozenset()


def _with_mixture(family: str, name: str) -> frozenset[str]:
    if family not in ("qwen3_vl", "qwen3_5"):
        return frozenset({family})
    if _MIXTURE.search(name):
        return frozenset({f"{family}_moe"})
    if re.search(r"(?<![\d.])\d+(\.\d+)?b\b", name):
        return frozenset({family})
    return frozenset({family, f"{family}_moe"})


def is_prequantised(text: str) -> bool:
    """Whether a checkpoint's name says that its weights are stored quantised."""
    return (
        re.search(r"awq|gptq|int4|int8|4bit|8bit|fp8|nf4|w4a16|w8a8|gguf|bnb", text.lower())
        is not None
    )


def pixel_style(families: frozenset[str]) -> str | None:
    """'A' for preprocessor files with min_pixels and max_pixels, 'B' for those with `size`; None
    if unclear.
    """
    if families and families <= QWEN2:
        return "A"
    if families and families <= QWEN3:
        return "B"
    return None
