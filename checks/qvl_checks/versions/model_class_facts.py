"""Facts about the model's class as imported; asking for them makes the heavy imports happen."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Probe


class ModelClassFacts(Facts):
    """The imported class; None: not readable, see ``unread``."""

    probe: ClassVar[str] = "versions.model-class"
    class_name: str = ""
    class_file: str | None = None
    auto_class: str | None = None
    """What AutoModelForImageTextToText chooses for the model type."""
    transformers_version: str | None = None
    transformers_file: str | None = None
    unread: dict[str, str] = {}


VERSIONS_MODEL_CLASS = Probe(
    id="versions.model-class",
    title="imports the model's class",
    facts=ModelClassFacts,
    entry="qvl_checks.versions.model_class_probe:run",
    budget_s=20,
    imports=("torch", "model"),
)
