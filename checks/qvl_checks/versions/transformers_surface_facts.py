"""Facts about what the installed transformers offers."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Probe


class TransformersSurfaceFacts(Facts):
    """Read from the package's files, so also known where it cannot be imported."""

    probe: ClassVar[str] = "versions.transformers-surface"
    installed: bool
    reason: str = ""
    folder: str = ""
    model_types: tuple[str, ...] | None = None
    """Every ``model_type`` that AutoConfig knows; None: not readable, see ``unread``."""
    classes: dict[str, tuple[str, ...]] | None = None
    """Family -> its ``*ForConditionalGeneration`` classes, for the Qwen families."""
    auto_classes: tuple[str, ...] | None = None
    accepts_dtype: bool | None = None
    """``from_pretrained(dtype=...)`` is understood (4.56 and later)."""
    accepts_torch_dtype: bool | None = None
    unread: dict[str, str] = {}


VERSIONS_TRANSFORMERS_SURFACE = Probe(
    id="versions.transformers-surface",
    title="reads what the installed transformers offers",
    facts=TransformersSurfaceFacts,
    entry="qvl_checks.versions.transformers_surface_probe:run",
    budget_s=20,
)
