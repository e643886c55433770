"""Which causes a text can have at all, by what it is about."""

from __future__ import annotations

from .marks import IN_TRANSFORMERS
from .rule import FOREIGN_ENGINES, Case, Hit

#: Topics about the model itself: its messages mean something else where another model runs.
OF_THE_MODEL = (
    "images.",
    "video.",
    "checkpoint.chat-template-missing",
    "versions.removed-private-classes",
)
#: Topics that a symptom tells of only where a model that sees runs in transformers.
TOLD_OF_THE_MODEL = (*OF_THE_MODEL, "memory.", "generation.", "checkpoint.")
#: True wherever memory ran out.
GENERIC = "memory.generic-out-of-memory"


#: What a model's answers show, not how its training goes.
_OF_ANSWERS = ("checkpoint.adapter-keys-unmatched",)


#: What makes answers useless, not a model that is wrong now and then.
_OF_QUALITY = ("checkpoint.awq-garbled", "attention.fp16-overflow", "generation.endless-repetition")


def admits(case: Case, hit: Hit) -> bool:
    """Can this cause be the one of a text that is about what this one is about?"""
    clues = case.clues
    elsewhere = clues.other_model is not None or clues.text_qwen
    foreign = clues.engine in FOREIGN_ENGINES and not IN_TRANSFORMERS.search(case.page.low)
    if foreign and hit.id.startswith(TOLD_OF_THE_MODEL) and hit.id != GENERIC:
        return False
    if clues.lists_changes:
        return False
    if hit.by_message:
        return not (elsewhere and hit.id.startswith(OF_THE_MODEL))
    if elsewhere and hit.id.startswith(TOLD_OF_THE_MODEL) and hit.id != GENERIC:
        return False
    if hit.id in _OF_ANSWERS and clues.concept("flat_loss"):
        return False
    if hit.id.startswith(_OF_QUALITY) and clues.concept("works_otherwise"):
        return False
    return not clues.tells_of_none
