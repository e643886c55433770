"""Scheduling: in which process a probe runs, in which order, and what it wants imported there.

Lanes run side by side: *light* (target, no heavy import), *heavy* (target; torch, transformers and
the model class are imported once, every probe runs in a fork of that) and *doctor* (the doctor's
own interpreter, for host facts such as NVML). Where the machine has room for it, what uses the GPU
has a lane of its own, *gpu*, with imports of its own; else it runs in the heavy one. Inside a lane,
and between lanes where one probe needs another's facts, the order is one topological order of all
probes, so the lanes cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from qvl_doctor.facts import ModelFacts
from qvl_doctor.probe import Probe

MODEL_IMPORTS = "model"
"""In `Probe.imports`: whatever the examined model's class needs."""

Lane = Literal["light", "heavy", "gpu", "doctor"]
LANES: tuple[Lane, ...] = ("light", "heavy", "gpu", "doctor")


def lane_of(probe: Probe, gpu_apart: bool = False) -> Lane:
    """Where a probe runs."""
    if probe.where == "doctor":
        return "doctor"
    if not probe.imports:
        return "light"
    return "gpu" if probe.gpu and gpu_apart else "heavy"


def imports_of(probe: Probe, model: ModelFacts | None) -> tuple[str, ...]:
    """What must be imported before the probe runs, the model's own modules written out."""
    own = model.heavy_imports if model else ()
    return tuple(
        name for wish in probe.imports for name in (own if wish == MODEL_IMPORTS else (wish,))
    )


def imports_of_all(probes: Iterable[Probe], model: ModelFacts | None) -> list[str]:
    """The modules that any of the probes wants, each once, in the order of the wishes."""
    return list(dict.fromkeys(name for probe in probes for name in imports_of(probe, model)))


def in_order(wanted: Iterable[str], probes: Mapping[str, Probe]) -> list[str]:
    """The wanted probes and their inputs, inputs first; GPU-heavy ones as late as possible.

    Raises:
        ValueError: a probe waits for itself.
    """
    order: list[str] = []
    underway: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name not in probes:
            return
        if name in underway:
            raise ValueError(f"probe {name} waits for itself")
        underway.add(name)
        for needed in probes[name].inputs:
            visit(needed)
        order.append(name)

    for name in sorted(wanted, key=lambda name: (name in probes and probes[name].gpu, name)):
        visit(name)
    return order
