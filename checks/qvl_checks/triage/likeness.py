"""The last resort for a short description: which known complaints it is most like.

No arithmetic and no message decides here. A text is compared with complaints whose cause is known,
and with texts that have none, by the words and concepts they share. The cause of the nearest ones
is named only if the text also speaks of what the cause is about, and always as a guess.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from itertools import pairwise

import msgspec

from .clues import Clues
from .complaints import ABOUT, COMPLAINTS, NO_CAUSE
from .lexicon import CONCEPTS
from .page import Page
from .rule import Case, Hit, holds

#: Longer texts are logs: they have messages, and few of their words are a person's.
MOST_CHARACTERS = 2_500
NEIGHBOURS = 9
#: A neighbour counts by the third power of its likeness: one close one outweighs several far ones.
POWER = 3
LEAST_LIKENESS = 0.2
LEAST_SHARE = 0.45
#: Where no Qwen model is named, a text has to be nearly a known complaint.
LEAST_LIKENESS_UNNAMED = 0.4
#: Scores of guesses lie just above the threshold of a diagnosis, below every rule of a message.
LOWEST_SCORE, SCORE_RANGE = 50.0, 8.0
PAIR_WEIGHT = 0.5

_WORD = re.compile(r"[a-z_][a-z0-9_.+]{1,40}")
_HAN = re.compile(r"[㐀-鿿]+")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")
_FILLER = re.compile(
    r"the|an?|of|to|in|on|is|are|was|were|be|its?|this|that|with|for|and|or|but|my|we|our|you|your|"
    r"as|at|by|from|not?|do|does|did|have|has|had|can|could|will|would|so|if|than|then|when|what|"
    r"which|who|how|why|there|here"
)

#: Words of programs that use these models, where no model is named.
_OURS = re.compile(
    r"transformers|flash[-_ ]?att|from_pretrained|autoprocessor|batch_decode|device_map|"
    r"torchvision|use_fast|max_pixels|pixel_values|image_pad|chat_template|attn_implementation|"
    r"提示词"
)
#: A label of a wish: nothing failed.
_WISH = re.compile(r"\[feature(?: request)?\]|\bfeature request\b")
#: An exception that names a class of something else tells enough: it is not ours.
_QUOTED = re.compile(r"\w(?:error|exception): ['\"`]")
#: A line that is an exception is no complaint in somebody's own words: a rule knows it, or none.
_EXCEPTION = re.compile(r"^(?:\[rank\d+\]: )?[\w.]*(?:error|exception): \S.{20}", re.MULTILINE)

Vector = dict[str, float]


class _Known(msgspec.Struct, frozen=True):
    cause: str
    vector: Vector


class _Memory(msgspec.Struct, frozen=True):
    weights: Vector
    known: tuple[_Known, ...]


def features(clues: Clues) -> Vector:
    """Concepts, words without their endings, and pairs of Chinese signs that a text holds."""
    low = clues.prose
    found: Vector = {f"concept {name}": 1.0 for name in CONCEPTS if clues.concept(name)}
    for word in _WORD.findall(low):
        word = word.strip(".")
        if not _FILLER.fullmatch(word):
            found[_ENDING.sub("", word) if len(word) > 5 else word] = 1.0
    for run in _HAN.findall(low):
        for first, second in pairwise(run):
            found[first + second] = PAIR_WEIGHT
    return found


def _unit(found: Vector, weights: Vector) -> Vector:
    weighted = {name: value * weights[name] for name, value in found.items() if name in weights}
    length = math.sqrt(sum(value * value for value in weighted.values()))
    return {name: value / length for name, value in weighted.items()} if length else {}


@cache
def _memory() -> _Memory:
    """Every known complaint as a vector of length one; rare features weigh more."""
    texts = [(cause, text) for cause, texts in COMPLAINTS.items() for text in texts]
    found = [(cause, features(Clues(Page(text)))) for cause, text in texts]
    counts = Counter(name for _, names in found for name in names)
    weights = {name: math.log((len(found) + 1) / (n + 0.5)) for name, n in counts.items()}
    return _Memory(weights, tuple(_Known(cause, _unit(v, weights)) for cause, v in found))


def likeness(case: Case) -> Hit | None:
    """The cause of the complaints that a short text is most like, if it is like any."""
    clues = case.clues
    if len(case.page.low) > MOST_CHARACTERS or clues.other_model or clues.text_qwen:
        return None
    low = case.page.low
    if _WISH.search(low):
        return None
    if not clues.qwen and (_QUOTED.search(low) or not _OURS.search(low)):
        return None
    if clues.tells_of_none or _EXCEPTION.search(case.page.low):
        return None
    # The failures of serving engines have causes of their own, whatever they look like.
    if clues.engine:
        return None
    memory = _memory()
    vector = _unit(features(clues), memory.weights)
    near = sorted(
        (
            (sum(value * vector.get(name, 0.0) for name, value in known.vector.items()), index)
            for index, known in enumerate(memory.known)
        ),
        reverse=True,
    )[:NEIGHBOURS]
    votes: Counter[str] = Counter()
    for like, index in near:
        votes[memory.known[index].cause] += like**POWER  # type: ignore[assignment]
    cause, most = votes.most_common(1)[0]
    share = most / (sum(votes.values()) or 1.0)
    least = LEAST_LIKENESS if clues.qwen else LEAST_LIKENESS_UNNAMED
    if cause == NO_CAUSE or near[0][0] < least or share < LEAST_SHARE:
        return None
    lines: list[int] = []
    for condition in ABOUT[cause]:
        true, line = holds(case, condition)
        if not true:
            return None
        if line is not None:
            lines.append(line)
    return Hit(cause, LOWEST_SCORE + SCORE_RANGE * share, lines or [0], by_message=False)
