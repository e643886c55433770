"""What a plan is asked: the workload, the cards, the model; from options and from a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from qvl_checks.memory.trace.workload import CONTEXT_BYTES
from qvl_doctor.errors import UsageError
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.registry import Registry
from qvl_doctor.running.client import AgentClient, AgentDied
from qvl_doctor.sizes import ATTENTION, BYTES, BYTES_OR_NONE, FRAMES, PIXELS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NVML = "qvl_checks.devices.nvml_probe:run"
NVML_BUDGET_S = 20.0
FILE_LIMIT = 2**20
"""Bytes; a larger workload file is none."""
DEFAULT_CAPABILITY = (9, 0)
LARGE_CARD = 60 * 2**30
"""Bytes; cards from this size on are those of data centres."""
SMALL_CARD_CONTEXT = 2**29
"""What a process takes on smaller cards: 0.3 to 0.6 GiB are reported of them, none was measured."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A card that the model may be put on; bytes."""

    capacity_bytes: int
    """As torch reports it (``total_memory``)."""
    others_bytes: int = 0
    """Held by other processes and by the driver."""
    context_bytes: int = CONTEXT_BYTES
    capability: tuple[int, int] = DEFAULT_CAPABILITY
    name: str = ""

    @property
    def usable_bytes(self) -> int:
        """What torch may reserve."""
        return max(self.capacity_bytes - self.others_bytes - self.context_bytes, 0)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One plan's subject."""

    model: ModelFacts
    workload: WorkloadFacts
    gpus: tuple[Gpu, ...]
    max_memory: dict[str, int] | None = None
    expandable_segments: bool = False

    def request(self, task: str, seconds: float) -> dict[str, Any]:
        """What one run of `qvl_checks.memory.plan.tasks_probe` takes."""
        workload = {
            **msgspec.to_builtins(self.workload),
            "max_memory": self.max_memory,
            "expandable_segments": self.expandable_segments,
        }
        gpus = [
            {
                "index": index,
                "name": gpu.name,
                "capability": list(gpu.capability),
                "total_bytes": gpu.capacity_bytes,
                "context_bytes": gpu.context_bytes,
                "usable_bytes": gpu.usable_bytes,
            }
            for index, gpu in enumerate(self.gpus)
        ]
        model = msgspec.to_builtins(self.model)
        return {
            "task": task,
            "seconds": seconds,
            "model": model,
            "workload": workload,
            "gpus": gpus,
        }


class WorkloadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``--workload``: the same as the options, written down."""

    gpus: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    text: int | None = None
    new_tokens: int | None = None
    batch: int | None = None
    attn: str | None = None
    dtype: str | None = None
    mode: str | None = None
    device_map: str | None = None
    max_memory: dict[str, str] | None = None
    capability: str | None = None
    context: str | None = None
    expandable_segments: bool | None = None

    def options(self) -> dict[str, Any]:
        """Parsed values by the names of the options; what is not stated is missing.

        Raises:
            click.BadParameter: a size that is none.
        """
        found: dict[str, Any] = {}
        if self.gpus:
            found["gpu"] = tuple(BYTES.convert(one, None, None) for one in self.gpus)
        if self.images:
            found["image"] = tuple(PIXELS.convert(one, None, None) for one in self.images)
        if self.videos:
            found["video"] = tuple(FRAMES.convert(one, None, None) for one in self.videos)
        if self.context is not None:
            found["context"] = BYTES_OR_NONE.convert(self.context, None, None)
        if self.attn is not None:
            found["attn"] = ATTENTION.convert(self.attn, None, None)
        if self.max_memory is not None:
            found["max_memory"] = {
                key: BYTES.convert(size, None, None) for key, size in self.max_memory.items()
            }
        for name in ("text", "new_tokens", "batch", "dtype", "mode", "device_map", "capability"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.expandable_segments is not None:
            found["expandable_segments"] = self.expandable_segments
        return found


def read_workload(path: Path) -> WorkloadFile:
    """The content of a workload file.

    Raises:
        UsageError: it cannot be read, is no TOML, or holds a field that no workload has.
    """
    try:
        if path.is_file() and path.stat().st_size > FILE_LIMIT:
            raise UsageError(f"{path} is larger than any workload; is it the right file?")
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(fields, WorkloadFile)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        known = ", ".join(WorkloadFile.__struct_fields__)
        raise UsageError(f"{path}: {error}; a workload has {known}") from error
    for name in ("text", "new_tokens", "batch"):
        value = getattr(found, name)
        if value is not None and value < 1:
            raise UsageError(f"{path}: {name} must be at least 1")
    return found


def stated_gpus(
    sizes: Sequence[int], capability: tuple[int, int] | None = None, context: int | None = None
) -> tuple[Gpu, ...]:
    """The cards of these sizes; ``context``: what a process takes beside its tensors (bytes).

    Raises:
        UsageError: one is too small for a process to begin on it.
    """
    cards = tuple(
        Gpu(
            capacity_bytes=size,
            context_bytes=usual_context(size, capability) if context is None else context,
            capability=capability or DEFAULT_CAPABILITY,
        )
        for size in sizes
    )
    for card in cards:
        if card.capacity_bytes <= card.context_bytes:
            raise UsageError(
                f"--gpu {card.capacity_bytes}: a process takes {card.context_bytes} bytes beside "
                "its tensors; write the size of the card, as 24GiB"
            )
    return cards


def usual_context(capacity: int, capability: tuple[int, int] | None) -> int:
    """Bytes that a process takes on such a card beside its tensors."""
    large = capacity >= LARGE_CARD if capability is None else capability >= DEFAULT_CAPABILITY
    return CONTEXT_BYTES if large else SMALL_CARD_CONTEXT


def gpus_of_this_machine(registry: Registry) -> tuple[Gpu, ...]:
    """The cards that the driver reports, with what others hold now.

    Raises:
        UsageError: there is none that can be read.
    """
    try:
        agent = AgentClient(sys.executable, registry.probe_roots)
    except AgentDied as error:
        raise UsageError(f"the GPUs of this machine cannot be read ({error}); {_ASK}") from error
    try:
        devices = (agent.run(NVML, {}, NVML_BUDGET_S).data or {}).get("devices") or ()
    finally:
        agent.close()
    found = [
        _read(row)
        for row in devices
        if row.get("total_bytes") and row.get("free_bytes") is not None
    ]
    if not found:
        raise UsageError(f"this machine has no GPU that can be read; {_ASK}")
    return tuple(found)


def _read(row: dict[str, Any]) -> Gpu:
    known = row.get("compute_capability")
    capability = (int(known[0]), int(known[1])) if known else None
    return Gpu(
        capacity_bytes=row["total_bytes"],
        others_bytes=row["total_bytes"] - row["free_bytes"],
        context_bytes=usual_context(row["total_bytes"], capability),
        capability=capability or DEFAULT_CAPABILITY,
        name=row.get("name") or "",
    )


_ASK = "say which GPUs are meant: --gpu 24GiB, once for each"


def parse_capability(text: str) -> tuple[int, int]:
    """``8.6`` -> (8, 6).

    Raises:
        UsageError: it is no compute capability.
    """
    major, dot, minor = text.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal() and len(text) <= 5):
        raise UsageError(f"{text!r} is no compute capability; write it as 8.6")
    return int(major), int(minor)
