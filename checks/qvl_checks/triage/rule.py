"""Rules: how a page's words become hits.

A `Rule` is declarative: phrases of an error message, conditions that must or must not hold. What
needs arithmetic or the parts of a message is a function that yields `Hit` objects. Both end up in
the ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import msgspec

from .clues import Clues
from .failures import Failure, failures
from .marks import OWN_KERNELS
from .model import Computed, Fix

#: A hit below this score is no diagnosis.
THRESHOLD = 50
#: Engines that share no code with transformers: their symptoms are never taken for its failures.
FOREIGN_ENGINES = frozenset(
    {"ascend", "llama.cpp", "mlx", "tensorrt", "onnx", "tt-metal", "mnn", "lm studio"}
)
#: What an engine does in its own way: how it plans memory and when it stops. Told symptoms of
#: these say nothing about transformers where an engine runs the model.
OF_THE_ENGINE = frozenset(
    {
        "attention.linear-attention-fallback",
        "generation.endless-repetition",
        "generation.prompt-decoded-with-answer",
        "generation.forward-without-inference-mode",
        "kv-cache.cache-size",
        "kv-cache.cache-disabled",
        "memory.cross-image-attention-memory",
        "memory.first-gpu-overloaded",
        "memory.full-prompt-logits",
        "memory.long-video-memory",
        "memory.text-attention-memory",
        "memory.vision-attention-memory",
        "memory.weights-in-fp32",
    }
)


#: Clues that a condition can name.
CLUES = frozenset(
    {
        "qwen",
        "qwen_vl",
        "text_qwen",
        "legacy",
        "other_model",
        "old_gpu",
        "served",
        "engine_any",
    }
)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`says`: any of these phrases (see `Page.says`). `needs`, `unless`: conditions (see `holds`).
    `together`: concepts and words that one sentence has to hold (see `together`).

    `numeric` symptoms (wrong numbers) do not count in the texts of engines with kernels of
    their own, or about models that do not see. `note` is added to the explanation.
    """

    id: str
    score: int
    says: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    note: str = ""
    numeric: bool = False


class Hit(msgspec.Struct):
    """A rule that fired: `score` 0-100, `lines` index the page's lines."""

    id: str
    score: float
    lines: list[int] = []
    computed: dict[str, Computed] = {}
    notes: list[str] = []
    fixes: list[Fix] = []
    by_message: bool = True


class Case:
    """A page's clues and out-of-memory messages, as rules see them."""

    def __init__(self, clues: Clues) -> None:
        self.clues = clues
        self.page = clues.page

    @cached_property
    def failed(self) -> tuple[Failure, ...]:
        """The allocations that failed."""
        return failures(self.page)


Detector = Callable[[Case], Iterator[Hit]]


def _one(case: Case, condition: str) -> tuple[bool, int | None]:
    clues = case.clues
    kind, _, value = condition.partition(":")
    if kind == "word":
        line = clues.word(value)
        return line is not None, line
    if kind == "engine":
        return clues.engine == value, None
    if kind == "family":
        return value in clues.families, None
    if kind in CLUES:
        return bool(clues.engine if kind == "engine_any" else getattr(clues, kind)), None
    line = clues.concept_line(kind)
    return line is not None, line


def holds(case: Case, condition: str) -> tuple[bool, int | None]:
    """Does ``a|b|c`` hold, and on which line?

    A part is a concept of the lexicon, ``word:beginning of a word`` (or words),
    ``engine:name``, ``engine_any``, ``family:model_type``, ``qwen``,
    ``qwen_vl``, ``text_qwen``, ``legacy``, ``other_model``, ``old_gpu`` or ``served``.
    """
    for part in condition.split("|"):
        true, line = _one(case, part)
        if true:
            return True, line
    return False, None


def together(case: Case, conditions: tuple[str, ...]) -> int | None:
    """The line of the first sentence in which every one of the conditions holds, or None.

    A condition is ``a|b|c``, its parts concepts of the lexicon or ``word:beginning of a word``.
    """
    clues = case.clues
    common: frozenset[int] | None = None
    for condition in conditions:
        said = frozenset[int]().union(*(clues.said(part) for part in condition.split("|")))
        common = said if common is None else common & said
        if not common:
            return None
    return clues.line_of(min(common)) if common else None


def apply(rule: Rule, case: Case) -> Hit | None:
    """The rule's hit on this case, if it fires."""
    lines: list[int] = []
    if rule.says:
        found = next(
            (line for phrase in rule.says if (line := case.page.says(phrase)) is not None), None
        )
        if found is None:
            return None
        lines.append(found)
    elif (
        case.clues.other_model
        or case.clues.engine in FOREIGN_ENGINES
        or (case.clues.served and rule.id in OF_THE_ENGINE)
        or (rule.numeric and (case.clues.engine in OWN_KERNELS or case.clues.text_qwen))
    ):
        return None
    if rule.together:
        sentence = together(case, rule.together)
        if sentence is None:
            return None
        lines.append(sentence)
    for condition in rule.needs:
        true, line = holds(case, condition)
        if not true:
            return None
        if line is not None:
            lines.append(line)
    if any(holds(case, condition)[0] for condition in rule.unless):
        return None
    return Hit(
        rule.id,
        rule.score,
        lines,
        notes=[rule.note] if rule.note else [],
        by_message=bool(rule.says),
    )
