"""Whether a model spread over the GPUs answers as it does on one of them."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Level, Probe


class SplitModelFacts(Facts):
    """One small random model of the examined architecture, one prompt with a picture."""

    probe: ClassVar[str] = "devices.split-model"
    status: str = "not_run"
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``not_run``."""
    reason: str = ""
    dtype: str = ""
    accelerate: str = ""
    placement: dict[str, str] = {}
    """Module -> device."""
    finite: bool | None = None
    """Whether the answer on one GPU is finite at all."""
    error: str = ""
    """What the spread model raised, where the whole one had answered."""
    equal: bool | None = None
    """Every logit, in every bit."""
    difference: float | None = None
    """Relative L2 distance of the logits; None when not finite."""
    difference_through_host: float | None = None
    """The same with the transfers between GPUs going through main memory."""


SPLIT_MODEL = Probe(
    id="devices.split-model",
    title="runs a small model on one GPU and spread over all",
    facts=SplitModelFacts,
    entry="qvl_checks.devices.split_model_probe:run",
    budget_s=60,
    level=Level.STANDARD,
    imports=("torch", "model"),
    inputs=("devices.torch",),
    gpu=True,
)
