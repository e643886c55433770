"""Names that are missing: classes, model types, attributes."""

from __future__ import annotations

from ...rule import Detector
from .attributes import attributes
from .imports import imports
from .model_types import model_types
from .told import DETECTORS as TOLD

DETECTORS: tuple[Detector, ...] = (imports, model_types, attributes, *TOLD)
