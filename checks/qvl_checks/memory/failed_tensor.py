"""What the tensor that did not fit was: attention scores, logits, a weight, or something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from qvl_checks.memory.inversion import Candidate, Dimensions, Kind, consistent, invert
from qvl_checks.memory.oom_message import parse
from qvl_checks.memory.run_facts import Load, OutOfMemory

ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
KIND_OF_PHASE: dict[str, tuple[Kind, ...]] = {
    "vision": ("vision",),
    "text": ("text",),
    "logits": ("logits",),
    "decode": ("text", "logits"),
    "generate": ("logits",),
}


class Culprit(msgspec.Struct, frozen=True, kw_only=True):
    """The failing request, recognised as far as the workload confirms it."""

    kind: Literal["vision", "text", "logits", "weight", "other"]
    words: str
    """``the attention scores of one image: 16 heads × 14308 × 14308 patches × 2 B``."""
    count: int | None = None
    """Patches or tokens."""
    factor: int | None = None
    """Heads, or the vocabulary."""


def recognise(failure: OutOfMemory, load: Load | None, config: Mapping[str, Any]) -> Culprit:
    """Name the tensor; the size must follow from the workload's own patches or tokens."""
    if failure.phase == "load":
        name = failure.module or "a weight"
        return Culprit(kind="weight", words=f"the weight {name}" if failure.module else name)
    reading = _reading(failure, load, Dimensions.of(config)) if load else None
    if reading is None:
        return Culprit(kind="other", words=_plain(failure))
    candidate, count = reading
    subject = {
        "vision": "the vision tower's attention scores",
        "text": "the attention scores over the prompt",
        "logits": "the logits",
    }[candidate.kind]
    return Culprit(
        kind=candidate.kind,
        words=f"{subject} ({candidate.formula(count)})",
        count=count,
        factor=candidate.factor,
    )


def _reading(
    failure: OutOfMemory, load: Load, dimensions: Dimensions
) -> tuple[Candidate, int] | None:
    requested = parse(failure.message).requested
    size = failure.tensor.bytes if failure.tensor else requested
    if size is None:
        return None
    confirmed = consistent(
        invert(size, dimensions, batch=load.batch),
        patches=load.patches,
        tokens=load.prompt_tokens,
        batch=load.batch,
    )
    width = ELEMENT_BYTES.get(failure.tensor.dtype) if failure.tensor else None
    for candidate, count in confirmed:
        fits_phase = candidate.kind in KIND_OF_PHASE.get(failure.phase, ())
        if fits_phase and width in (None, candidate.width):
            return candidate, count
    return None


def _plain(failure: OutOfMemory) -> str:
    if failure.tensor is None:
        return f"memory for {failure.operator}" if failure.operator else "one allocation"
    shape = " × ".join(str(side) for side in failure.tensor.shape)
    return f"a {failure.tensor.dtype} tensor of {shape}"
