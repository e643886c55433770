"""Where a checkpoint keeps what makes logits large: names of tensors, by layer of either tower.

Runs in the target: standard library only, Python 3.9. Releases differ in the prefix of a name
(``model.layers``, ``model.language_model.layers``, ``thinker.model.layers``), not in its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

TEXT = re.compile(
    r"(?P<stem>(?:[\w.]*\.)?layers\.(?P<layer>\d{1,4}))\.self_attn\.(?P<part>\w+\.\w+)"
)
VISION = re.compile(r"(?P<stem>(?:[\w.]*\.)?blocks\.(?P<layer>\d{1,4}))\.attn\.(?P<part>\w+\.\w+)")
TEXT_PARTS = ("q_proj.bias", "k_proj.bias", "q_norm.weight", "k_norm.weight", "k_proj.weight")
VISION_PARTS = ("qkv.bias", "q.bias", "k.bias", "qkv.weight", "k.weight")
ELSEWHERE = ("talker", "audio", "token2wav", "code2wav", "mtp")
"""Parts of the name of towers that are not examined: speech, and drafts of later tokens."""
QUANTISED = ("k_proj.qweight", "k_proj.weight_packed")


class Layer(NamedTuple):
    """One attention layer; names are empty where the checkpoint has no such tensor."""

    tower: str
    """``text`` or ``vision``."""
    number: int
    stem: str
    parts: frozenset[str]

    def name(self, part: str) -> str:
        """The full name of a part, empty when it is not there."""
        inner = "self_attn" if self.tower == "text" else "attn"
        return f"{self.stem}.{inner}.{part}" if part in self.parts else ""

    @property
    def input_norm(self) -> str:
        """The norm before the attention, whose weight scales what the projections see."""
        return f"{self.stem}.{'input_layernorm' if self.tower == 'text' else 'norm1'}.weight"


def layers(names: Iterable[str]) -> list[Layer]:
    """Every layer with softmax attention, the language model's first."""
    found: dict[tuple[str, int], tuple[str, set[str]]] = {}
    for name in names:
        if any(part in name for part in ELSEWHERE):
            continue
        for tower, pattern in (("text", TEXT), ("vision", VISION)):
            match = pattern.fullmatch(name)
            if match and ("visual." in name) == (tower == "vision"):
                key = tower, int(match["layer"])
                found.setdefault(key, (match["stem"], set()))[1].add(match["part"])
    return [
        Layer(tower, number, stem, frozenset(parts))
        for (tower, number), (stem, parts) in sorted(found.items())
        if parts.intersection(TEXT_PARTS + VISION_PARTS + QUANTISED)
    ]


ZERO_CENTRED = ("qwen3_5", "qwen4")
"""Families whose norms multiply by one plus the stored weight."""


def norm_offset(model_type: str) -> float:
    """What is added to the stored weight of a norm of q or k before it multiplies."""
    return 1.0 if model_type.startswith(ZERO_CENTRED) else 0.0


class Shape(NamedTuple):
    """Heads of one tower."""

    width: int
    """Of one head."""
    theta: float
    """Base of the rotary frequencies."""
    sections: tuple[int, ...] = ()
    """Pairs that turn with time, row and column; empty without M-RoPE."""


def shapes(config: dict[str, Any]) -> dict[str, Shape]:
    """Of both towers, from a config.json; a tower whose fields are nonsense is left out."""
    thinker = config.get("thinker_config")
    config = thinker if isinstance(thinker, dict) else config
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    found = {}
    width = _head_width(text, "hidden_size", "num_attention_heads")
    if width:
        found["text"] = Shape(width, _theta(text), _sections(text, width))
    vision = config.get("vision_config")
    if isinstance(vision, dict):
        # Qwen2-VL calls the tower's width embed_dim, and hidden_size what it hands on.
        wide = "embed_dim" if "embed_dim" in vision else "hidden_size"
        width = _head_width(vision, wide, "num_heads")
        if width and width % 4 == 0:
            found["vision"] = Shape(width, 10000.0)
    return found


def _head_width(part: dict[str, Any], size: str, heads: str) -> int:
    width = part.get("head_dim")
    if type(width) is not int:
        wide, count = part.get(size), part.get(heads)
        if type(wide) is not int or type(count) is not int or count < 1:
            return 0
        width = wide // count
    return width if 2 <= width <= 1024 and width % 2 == 0 else 0


def _theta(text: dict[str, Any]) -> float:
    for table in (text.get("rope_parameters"), text):
        theta = table.get("rope_theta") if isinstance(table, dict) else None
        if isinstance(theta, (int, float)) and 1 < theta < 1e12:
            return float(theta)
    return 1e6


def _sections(text: dict[str, Any], width: int) -> tuple[int, ...]:
    for key in ("rope_parameters", "rope_scaling"):
        table = text.get(key)
        found = table.get("mrope_section") if isinstance(table, dict) else None
        if (
            isinstance(found, list)
            and len(found) == 3
            and all(type(n) is int and n >= 0 for n in found)
            and sum(found) == width // 2
        ):
            return tuple(found)
    return ()
