"""Facts of running the stated workload on the real cards."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Level, Probe

Status = Literal["ran", "out_of_memory", "not_run"]
Phase = Literal["load", "inputs", "vision", "text", "logits", "decode", "generate"]
"""``generate``: outside of any module while generating."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU during a run; all sizes in bytes."""

    index: int
    """As CUDA numbers the visible ones."""
    name: str
    total_bytes: int
    free_bytes: int
    """With the context open and its kernels loaded, before the model."""
    others_bytes: int
    """Held by other processes when the run began."""
    context_bytes: int
    """What this process takes beside the allocator."""
    context_measured: bool
    """False: a usual value was assumed."""
    context_after_bytes: int | None = None
    """The same after the run: libraries load some kernels late."""
    workspace_bytes: int | None = None
    """Allocated by libraries before the model: part of every number below."""
    cap_bytes: int | None = None
    """All that this process was allowed, context included."""
    limit_bytes: int | None = None
    """All that the allocator was allowed; None: whatever the card gives."""
    weights_bytes: int | None = None
    """Allocated once the model was loaded."""
    peak_allocated_bytes: int | None = None
    """In tensors at the worst moment after loading."""
    peak_reserved_bytes: int | None = None
    """In the allocator's segments at the worst moment after loading."""

    @property
    def usable_bytes(self) -> int:
        """What the allocator could have had."""
        return self.free_bytes if self.limit_bytes is None else self.limit_bytes


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one card held at one moment."""

    index: int
    allocated_bytes: int
    reserved_bytes: int
    free_bytes: int
    """As the driver sees it, without regard to a cap."""


class FailedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """The tensor that did not fit."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int


class OutOfMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The allocation that failed and where."""

    message: str
    gpu: int | None = None
    requested_bytes: int | None = None
    requested_exact: bool = False
    """False: read from a message that prints two decimals."""
    tensor: FailedTensor | None = None
    """None: scratch space, or an operator that torch does not dispatch."""
    operator: str | None = None
    module: str = ""
    """Name of the module (or parameter) within the model."""
    phase: Phase = "generate"
    readings: tuple[Reading, ...] = ()
    file: str | None = None
    """Of transformers, relative to its parent folder."""
    line: int | None = None
    function: str | None = None
    code: str | None = None


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The worst moment on one card."""

    index: int
    bytes: int
    module: str
    phase: Phase


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What one card held after one allocation or release."""

    step: int
    """Allocations and releases so far, those while loading left out."""
    phase: str
    module: str
    held: dict[str, int]
    """Kind (weights, inputs, vision, text, kv_cache, logits, workspace) -> bytes."""
    reserved: int
    """Bytes in the allocator's segments."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One card from one allocation to the next, as the allocator recorded it."""

    index: int
    events: int
    moments: tuple[Moment, ...]
    """Evenly chosen ones: of each stretch the worst."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The workload as the processor would hand it to the model."""

    images: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels after resizing."""
    patches: tuple[int, ...] = ()
    """Per image."""
    video_patches: tuple[int, ...] = ()
    """Per video, of all its frames."""
    prompt_tokens: int = 0
    """Of one prompt, visual tokens included."""
    batch: int = 1


class RunFacts(Facts):
    """One run. `status` tells which of the other fields mean something."""

    status: Status
    obstacle: str = ""
    """Why it was not run: no_cuda, no_model, unavailable, in_use, too_large, cap_too_large,
    cap_too_small, offloaded; a change to the workload also: predicted_not_to_fit, enough, no_time,
    lost."""
    reason: str = ""
    attention: str | None = None
    """As asked for; None: what transformers selects."""
    selected: dict[str, str | None] = {}
    """``vision`` and ``text`` -> the implementation that was used."""
    mode: str = "generate"
    dtype: str = ""
    device_map: str | None = None
    placement: dict[str, str] = {}
    """Module -> device."""
    weights: Literal["random", "checkpoint", ""] = ""
    weights_need_bytes: int | None = None
    weights_by_device: dict[str, int] = {}
    load: Load | None = None
    new_tokens: int | None = None
    cards: tuple[Card, ...] = ()
    peaks: tuple[Peak, ...] = ()
    history: tuple[History, ...] = ()
    failure: OutOfMemory | None = None
    load_seconds: float | None = None
    seconds: float | None = None
    torch: str = ""
    transformers: str = ""

    @property
    def names(self) -> str:
        """The implementation in words: ``sdpa``, or ``vision eager, text sdpa``."""
        used = {part: name for part, name in self.selected.items() if name}
        if len(set(used.values())) == 1:
            return next(iter(used.values()))
        if used:
            return ", ".join(f"{part} {name}" for part, name in used.items())
        return self.attention or "the default attention"


class RunAsStated(RunFacts):
    """The workload as stated."""

    probe: ClassVar[str] = "memory.as_stated"


AS_STATED = Probe(
    id="memory.as_stated",
    title="runs the stated workload on the GPU",
    facts=RunAsStated,
    entry="qvl_checks.memory.as_stated_probe:run",
    budget_s=300,
    level=Level.DEEP,
    imports=("torch", "model"),
    inputs=("devices.torch",),
    gpu=True,
)
