"""When an implementation drifts: by comparison with sound ones on the same input."""

from __future__ import annotations

import math
from collections.abc import Iterable

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.model_drift_facts import ModelCell, ModelDriftFacts

FACTOR = 5.0
"""How many times the error of the sound implementation it takes. Sound ones differ among
themselves by less than two."""
FLOOR = 0.05
"""And this relative L2 error at least. Sound ones stay below 0.3 % on attention in bfloat16 and
1.5 % on the logits of a small model; eager passes 5 % where a unit in the last place of a logit
exceeds about 0.2."""
SOUND = (CURE, "sdpa")
"""References, best first: float32 logits by construction, sdpa by its kernels."""


def drifts(error: float | None, sound: float | None) -> bool:
    """Whether an error (None: not finite) is out of proportion to the sound one (None: unknown)."""
    if error is None:
        return True
    return sound is not None and error >= FLOOR and error >= FACTOR * sound


def first_drift(facts: DriftFacts, implementation: str, dtype: str) -> Cell | None:
    """The cell of the smallest offset at which attention alone drifts."""
    bad = [
        cell
        for cell in facts.of(implementation, dtype)
        if drifts(cell.error, sound_error(facts, cell))
    ]
    return min(bad, key=lambda cell: (cell.offset, cell.length), default=None)


def worst(cells: Iterable[Cell]) -> float | None:
    """The largest finite error."""
    return max((cell.error for cell in cells if cell.error is not None), default=None)


def sound_error(facts: DriftFacts, like: Cell) -> float | None:
    """The error of another, sound implementation on the same input."""
    for name in SOUND:
        other = facts.cell(name, like) if name != like.implementation else None
        if other is not None and other.error is not None:
            return other.error
    return None


def model_drift(facts: ModelDriftFacts, implementation: str) -> ModelCell | None:
    """The cell with the smallest offset at which the model's answers drift."""
    for cell in facts.of(implementation):
        if drifts(cell.from_float32.error, _sound_model_error(facts, cell)):
            return cell
    return None


def planted(facts: ModelDriftFacts, implementation: str) -> ModelCell | None:
    """Its cell at the magnitudes of trained models: the largest offset that float16 still holds."""
    cells = [cell for cell in facts.of(implementation) if not overflows(cell, facts.head_dim)]
    return cells[-1] if cells else None


def overflows(cell: ModelCell, head_dim: int) -> bool:
    """Whether this plant's unscaled products exceed 65504, the largest float16."""
    return cell.offset * math.sqrt(head_dim) > 65504


def _sound_model_error(facts: ModelDriftFacts, like: ModelCell) -> float | None:
    for name in SOUND:
        for cell in facts.of(name) if name != like.implementation else ():
            if cell.offset == like.offset and cell.from_float32.error is not None:
                return cell.from_float32.error
    return None
