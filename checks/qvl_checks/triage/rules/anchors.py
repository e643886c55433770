"""Weak rules of last resort: a term that belongs to one cause only, a Qwen model, and a complaint.

They score below every other rule, so they speak only where nothing better does.
"""

from __future__ import annotations

from ..rule import Rule
from ..tables import table

SCORE = 52
_NUMERIC = frozenset(
    {
        "attention.fp16-overflow",
        "attention.eager-precision-drift",
        "devices.peer-copy-corruption",
        "checkpoint.awq-garbled",
        "checkpoint.vision-tower-quantized",
        "generation.endless-repetition",
        "generation.padding-side",
        "kv-cache.quantized-cache-corruption",
        "attention.gqa-math-fallback",
    }
)
RULES: tuple[Rule, ...] = tuple(
    Rule(id_, SCORE, needs=(*needs, "qwen", "trouble"), numeric=id_ in _NUMERIC)
    for id_, needs in table(__package__, "anchors.toml").items()
)
