"""Weak rules of last resort: a term that belongs to one cause only, a Qwen model, and a complaint.

What a term says stands in one sentence. They score below every other rule, so they speak only where
nothing better does.
"""

from __future__ import annotations

from ..lexicon import CONCEPTS
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


def _of_a_sentence(term: str) -> bool:
    """Can a sentence say it (not only a whole text)?"""
    return all(part in CONCEPTS or part.startswith("word:") for part in term.split("|"))


RULES: tuple[Rule, ...] = tuple(
    Rule(
        id_,
        SCORE,
        together=tuple(filter(_of_a_sentence, terms)),
        needs=(*(term for term in terms if not _of_a_sentence(term)), "qwen", "trouble"),
        numeric=id_ in _NUMERIC,
    )
    for id_, terms in table(__package__, "anchors.toml").items()
)
