"""The answer of a plan as typed data; what ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from qvl_checks.memory.plan.limits import LIMITS

TERMS = ("weights", "kv_cache", "vision_scratch", "text_scratch", "logits", "inputs", "workspace")


class Tensor(msgspec.Struct, frozen=True):
    """The largest tensor that the run itself asks for."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int


class Failure(msgspec.Struct, frozen=True):
    """The allocation that will not fit."""

    requested_bytes: int
    phase: str
    module: str
    reserved_bytes: int
    allocated_bytes: int = 0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU; all sizes in bytes."""

    device: str
    capacity_bytes: int
    usable_bytes: int
    """What torch may reserve: without context and what others hold."""
    fits: bool
    weights_bytes: int
    peak_allocated_bytes: int
    """As ``torch.cuda.max_memory_allocated`` counts, the libraries' workspace included; without
    regard to what the card has."""
    peak_reserved_bytes: int
    """As ``torch.cuda.max_memory_reserved`` counts."""
    peak_phase: str
    """``vision``, ``text``, ``logits`` or ``decode``."""
    peak_module: str
    largest_tensor: Tensor | None
    failure: Failure | None
    """What fails on this card, where it does."""
    terms: dict[str, int]
    """The most that is alive at once of each kind; and context, allocator overhead, headroom."""
    at_peak: dict[str, int]
    """The parts of the peak."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a change does on one GPU; bytes."""

    device: str
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    saves_bytes: int
    """Of the peak in tensors."""


class Cure(msgspec.Struct, frozen=True, kw_only=True):
    """A change and what it would do."""

    summary: str
    change: dict[str, Any]
    """Fields of the workload -> new values."""
    costs: str
    """``nothing``, ``speed`` or ``quality``."""
    condition: str
    fits: bool | None
    """None: not predictable."""
    reason: str
    devices: tuple[Effect, ...]
    code: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far each quantity can go, everything else as stated; 0: not even the smallest fits,
    None: not known, see ``unknown``."""

    largest_square_px: int | None = None
    """Side of the square image that memory allows; a processor may make none so large."""
    processor_square_px: int | None = None
    """Side of the largest square image that the processor makes; larger ones are scaled down."""
    most_images: int | None = None
    longest_video_frames: int | None = None
    longest_text_tokens: int | None = None
    largest_batch: int | None = None
    sizes: dict[str, tuple[int, int]] = {}
    """Limit -> (width, height) in pixels of the images or frames that it counts."""
    bound_by: dict[str, str] = {}
    """Limit -> what other than memory forbids more."""
    unknown: dict[str, str] = {}
    """Limit -> why it is not known."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a workload fits, what is too big, and what helps."""

    fits: bool
    devices: tuple[Device, ...]
    limits: Limits
    fixes: tuple[Cure, ...]
    """Changes with which it is predicted to fit, smallest first; empty if it fits as stated."""
    no_help: tuple[Cure, ...]
    """Changes that were tried and are not enough."""
    needs_bytes: int | None
    """The smallest card on which it would fit as stated, if one card is meant and too small."""
    notes: tuple[str, ...]
    model: str
    workload: dict[str, Any]
    images: tuple[tuple[int, int], ...]
    """(width, height) in pixels after the processor."""
    patches: tuple[int, ...]
    prompt_tokens: int
    placement: dict[str, str]
    offloaded_bytes: dict[str, int]
    torch: str
    transformers: str
    python: str


def device(row: Mapping[str, Any], capacity: int) -> Device:
    """From a prediction's row."""
    terms = {f"{name}_bytes": int(row["terms"].get(f"{name}_bytes", 0)) for name in TERMS}
    terms["weights_bytes"] = row["weights_bytes"]
    reserved, allocated = row["peak_reserved_bytes"], row["peak_allocated_bytes"]
    terms["context_bytes"] = row["context_bytes"]
    terms["allocator_overhead_bytes"] = reserved - allocated
    terms["headroom_bytes"] = row["usable_bytes"] - reserved
    return Device(
        device=row["device"],
        capacity_bytes=capacity,
        usable_bytes=row["usable_bytes"],
        fits=row["fits"],
        weights_bytes=row["weights_bytes"],
        peak_allocated_bytes=allocated,
        peak_reserved_bytes=reserved,
        peak_phase=row["peak_phase"],
        peak_module=row["peak_module"],
        largest_tensor=msgspec.convert(row["largest_tensor"], Tensor | None),
        failure=msgspec.convert(row["failure"], Failure | None),
        terms=terms,
        at_peak=dict(row["at_peak"]),
    )


def effects(rows: Any, before: tuple[Device, ...]) -> tuple[Effect, ...]:
    """What a change does, against the workload as stated."""
    peaks = {one.device: one.peak_allocated_bytes for one in before}
    return tuple(
        Effect(
            device=row["device"],
            peak_allocated_bytes=row["peak_allocated_bytes"],
            peak_reserved_bytes=row["peak_reserved_bytes"],
            saves_bytes=peaks.get(row["device"], 0) - row["peak_allocated_bytes"],
        )
        for row in rows
    )


def limits(parts: Mapping[str, Any]) -> Limits:
    """From the tasks' ends (`qvl_checks.memory.plan.fleet.Part` by name)."""
    values: dict[str, int | None] = {}
    sizes: dict[str, tuple[int, int]] = {}
    bound_by: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name in LIMITS:
        part = parts.get(name)
        found = part.answer if part is not None and part.status == "done" else {}
        values[name] = found.get("value")
        if found.get("size"):
            sizes[name] = (found["size"][0], found["size"][1])
        if found.get("processor"):
            values["processor_square_px"] = found["processor"]
        if found.get("bound"):
            bound_by[name] = found["bound"]
        if values[name] is None:
            unknown[name] = found.get("reason") or (part.reason if part else "not asked for")
    return Limits(**values, sizes=sizes, bound_by=bound_by, unknown=unknown)
