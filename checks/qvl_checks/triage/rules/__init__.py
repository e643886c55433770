"""The rules of every topic, gathered."""

from __future__ import annotations

from ..rule import Detector, Rule
from . import anchors, attention, checkpoint, devices, generation, images, memory, names, versions

RULES: tuple[Rule, ...] = (
    *versions.RULES,
    *attention.RULES,
    *memory.RULES,
    *devices.RULES,
    *images.RULES,
    *checkpoint.RULES,
    *generation.RULES,
    *anchors.RULES,
)
DETECTORS: tuple[Detector, ...] = (
    names.imports,
    names.model_types,
    names.attributes,
    *versions.DETECTORS,
    *attention.DETECTORS,
    *memory.DETECTORS,
    *devices.DETECTORS,
    *images.DETECTORS,
    *checkpoint.DETECTORS,
    *generation.DETECTORS,
)
