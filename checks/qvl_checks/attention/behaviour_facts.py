"""What a small model of the installed code does, against what the doctor computes itself."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where one prompt of a batch departs from the reference."""

    what: str
    """``positions`` (of the rotary embedding) or ``logits``."""
    phase: str
    """``prefill`` or ``decode``."""
    row: int
    """Which prompt of the batch."""
    token: int
    """The first wrong one, counted without padding from 0."""
    kind: str
    """``text``, ``image``, ``video``, or ``new`` for a generated token."""
    wrong: int
    """How many tokens."""
    of: int
    dimensions: tuple[str, ...] = ()
    """Of ``positions``: those of t (time), h (height), w (width) that are wrong anywhere."""
    expected: tuple[float, ...] = ()
    """Of ``positions``: (t, h, w) of the first wrong token."""
    found: tuple[float, ...] = ()
    wrong_kinds: tuple[str, ...] = ()
    error: float | None = None
    """Of ``logits``: the largest relative L2 difference; None when not finite."""
    cause: str = ""
    """Of ``logits``: the mistake that gives exactly the found ones; empty when none known does."""


class CaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt or batch on one path."""

    name: str
    path: str
    """``forward``, ``generate``, ``pieces`` or ``beams``."""
    implementation: str = ""
    """Of the language model; empty for the default."""
    padding: str | None = None
    """``left`` or ``right`` for batches of prompts of different lengths."""
    after_another: bool = False
    """Whether the model had generated an answer to another prompt before."""
    reason: str = ""
    """The error, when it raised."""
    error: float | None = None
    """The largest relative L2 difference of any token's logits; None when not finite."""
    differences: tuple[Difference, ...] = ()
    from_alone: float | None = None
    """For batches: the same between a prompt in the batch and the prompt by itself, both by the
    installed model."""

    def positions(self) -> Difference | None:
        """The first wrong position, if there is one."""
        return next((row for row in self.differences if row.what == "positions"), None)

    def logits(self) -> Difference | None:
        """The first wrong answer that wrong positions do not explain, if there is one."""
        return next(
            (
                row
                for row in self.differences
                if row.what == "logits" and not row.cause.startswith("positions")
            ),
            None,
        )


class LoopRun(msgspec.Struct, frozen=True, kw_only=True):
    """A decoding loop of one's own: the model is called for each new token, with its cache."""

    given: tuple[str, ...] = ()
    """What it is handed besides the token and the cache."""
    error: float | None = None
    """The largest relative L2 difference of its logits from generate's; None when not finite."""
    reason: str = ""
    """The error, when it raised."""


class VisionRun(msgspec.Struct, frozen=True, kw_only=True):
    """The vision tower on one set of images."""

    implementation: str
    name: str = ""
    reason: str = ""
    error: float | None = None
    """In float32, the worst visual token's relative L2 difference."""
    cause: str = ""
    """The mistake that gives exactly the found tokens."""
    bfloat16_error: float | None = None
    """In bfloat16, from the same weights computed in float32."""
    calls: int = 0
    """Of torch's fused attention, by all blocks together."""
    masked: bool = False
    """Whether any of them came with a mask."""
    dimensions: int | None = None
    """Of the queries; torch has fused kernels for 4 only."""
    largest: int | None = None
    """Patches of the largest call."""


class BehaviourFacts(Facts):
    """Random weights of the examined architecture, two layers, float32, on the CPU."""

    probe: ClassVar[str] = "attention.behaviour"
    reason: str = ""
    """Why nothing was run."""
    transformers: str = ""
    model_type: str = ""
    tolerance: float = 1e-3
    """Of relative differences in float32."""
    window: int | None = None
    """Tokens, in the runs of ``windows``; None for families without one."""
    cases: tuple[CaseRun, ...] = ()
    eager: tuple[CaseRun, ...] = ()
    """Some of the same with eager attention in the language model."""
    windows: tuple[CaseRun, ...] = ()
    loops: tuple[LoopRun, ...] = ()
    vision: tuple[VisionRun, ...] = ()
    rotary_error: float | None = None
    """Largest absolute error of the rotary embedding's cosines and sines in bfloat16, at positions
    up to 10007; rounding gives 0.004. None: not measured."""
    seconds: float = 0.0


BEHAVIOUR = Probe(
    id="attention.behaviour",
    title="compares positions, masks and answers of a small model with a reference",
    facts=BehaviourFacts,
    entry="qvl_checks.attention.behaviour_probe:run",
    budget_s=120,
    level=Level.STANDARD,
    imports=("torch", "model"),
)
