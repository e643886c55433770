"""Facts of the prediction: what the stated workload should take on each card."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class LargestTensor(msgspec.Struct, frozen=True, kw_only=True):
    """The largest single tensor that the run itself asks for."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int


class PredictedFailure(msgspec.Struct, frozen=True, kw_only=True):
    """The allocation that will not fit."""

    requested_bytes: int
    phase: str
    module: str
    reserved_bytes: int
    allocated_bytes: int


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a prediction; all sizes in bytes."""

    index: int
    """As CUDA numbers the visible ones."""
    weights_bytes: int
    peak_allocated_bytes: int
    """The libraries' workspace included, as ``torch.cuda.max_memory_allocated`` counts."""
    peak_reserved_bytes: int | None = None
    peak_phase: str = ""
    peak_module: str = ""
    largest_tensor: LargestTensor | None = None
    usable_bytes: int | None = None
    """What the allocator may reserve."""
    fits: bool | None = None
    failure: PredictedFailure | None = None
    terms: dict[str, int] = {}
    """The most of each kind that is alive at once."""
    at_peak: dict[str, int] = {}
    """The parts of the peak."""
    history: tuple[tuple[int, str, str], ...] = ()
    """(bytes, phase, module) in the order in which they come about."""


class PredictedGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A card as the prediction takes it to be."""

    index: int
    name: str | None = None
    total_bytes: int
    usable_bytes: int
    """What the allocator may reserve."""


class PredictedFacts(Facts):
    """The prediction for the stated workload on the cards of this machine."""

    probe: ClassVar[str] = "memory.predicted"
    status: Literal["predicted", "not_run"]
    obstacle: str = ""
    """Why there is none: no_model, no_gpu, unavailable, untraceable."""
    reason: str = ""
    fits: bool | None = None
    gpus: tuple[PredictedGpu, ...] = ()
    devices: tuple[Device, ...] = ()
    images: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels after the processor."""
    patches: tuple[int, ...] = ()
    prompt_tokens: int = 0
    seconds: float | None = None
    torch: str = ""
    transformers: str = ""

    def device(self, index: int) -> Device | None:
        """The prediction for the card that CUDA numbers so."""
        return next((one for one in self.devices if one.index == index), None)


PREDICTED = Probe(
    id="memory.predicted",
    title="predicts the memory of the stated workload",
    facts=PredictedFacts,
    entry="qvl_checks.memory.predicted_probe:run",
    budget_s=120,
    level=Level.STANDARD,
    imports=("torch", "model"),
    inputs=("devices.torch",),
)
