"""Whether the installed transformers can split this model's weights over processes."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Probe


class TensorPlanFacts(Facts):
    """Read from the installed classes; nothing is run in parallel."""

    probe: ClassVar[str] = "devices.tensor-plan"
    reason: str = ""
    """Why the classes could not be read."""
    transformers: str = ""
    text_config: str = ""
    """Name of the class that would hold the plan."""
    text_rules: int | None = None
    """Rules in its ``base_model_tp_plan``."""
    obstacle: str = ""
    """Why this release cannot run the model in parts all the same."""
    head_rules: int | None = None
    """Rules in the model class's own plan, for the output head."""


TENSOR_PLAN = Probe(
    id="devices.tensor-plan",
    title="looks for a tensor-parallel plan of the model",
    facts=TensorPlanFacts,
    entry="qvl_checks.devices.tensor_plan_probe:run",
    budget_s=20,
    imports=("torch", "model"),
)
