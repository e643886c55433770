"""What the installed transformers would do with the tensors of the user's checkpoint."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors of one kind."""

    count: int = 0
    vision: int = 0
    """How many of them belong to the vision tower."""
    output_head: int = 0
    examples: tuple[str, ...] = ()


class Untrained(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks and layers whose stored weights cannot have been trained."""

    blocks: int = 0
    """How many were looked at."""
    fresh: tuple[str, ...] = ()
    """Norm weights all 1 and biases all 0, as a layer is made."""
    zero: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    """``block = the one that it equals``."""
    unread: str = ""
    """Why not all could be read."""


class LoadingFacts(Facts):
    """Loaded onto the meta device from the headers alone; no weights were read for the names."""

    probe: ClassVar[str] = "checkpoint.loading"
    reason: str = ""
    """Why nothing was tried."""
    transformers: str = ""
    class_name: str = ""
    stored: int = 0
    """Tensors in the files."""
    parameters: int = 0
    """Tensors that the model has."""
    loading_error: str = ""
    """The error, when loading raised."""
    missing: Names = Names()
    """The model's tensors that the files lack: they keep random values."""
    unexpected: Names = Names()
    """The files' tensors that the model has no place for."""
    mismatched: Names = Names()
    """Of another shape than the model's: they keep random values."""
    untrained: Untrained = Untrained()


LOADING = Probe(
    id="checkpoint.loading",
    title="compares the checkpoint's tensors with what the installed model loads",
    facts=LoadingFacts,
    entry="qvl_checks.checkpoint.loading_probe:run",
    budget_s=90,
    level=Level.STANDARD,
    imports=("torch", "model"),
)
