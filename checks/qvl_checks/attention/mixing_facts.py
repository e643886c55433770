"""Which keys of a per-tower attention setting the installed transformers obeys."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one ``attn_implementation={...}`` on a model whose default is sdpa."""

    road: str
    """``load`` (given when the model is made) or ``set`` (``set_attn_implementation`` on it)."""
    wish: dict[str, str]
    text: str = ""
    """What the language model was seen to run: ``sdpa`` or ``eager``; empty when it raised."""
    vision: str = ""
    reason: str = ""
    """The error, when it raised."""


class MixingFacts(Facts):
    """Seen in the calls of torch's fused attention, not read from configurations."""

    probe: ClassVar[str] = "attention.mixing"
    reason: str = ""
    """Why nothing was run."""
    transformers: str = ""
    default_text: str = ""
    """What the language model runs when nothing is asked for."""
    default_vision: str = ""
    can_set: bool = False
    """Whether a loaded model can be switched at all (transformers 4.54)."""
    rows: tuple[Mixture, ...] = ()


MIXING = Probe(
    id="attention.mixing",
    title="asks for different attention in text and vision and looks which is run",
    facts=MixingFacts,
    entry="qvl_checks.attention.mixing_probe:run",
    budget_s=90,
    level=Level.STANDARD,
    imports=("torch", "model"),
)
