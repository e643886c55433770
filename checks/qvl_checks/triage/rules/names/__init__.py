"""Names that are missing: classes, model types, attributes."""

from __future__ import annotations

from ...rule import Detector
from .attributes import attributes
from .imports import imports
from .model_types import model_types

DETECTORS: tuple[Detector, ...] = (imports, model_types, attributes)
