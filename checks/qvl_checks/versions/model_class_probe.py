"""The model's class as the interpreter really gives it, after every heavy import."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from qvl_checks.host.guarded import Guarded


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Where the class and transformers come from, and what the automatic class chooses."""
    model = request.get("model") or {}
    transformers = importlib.import_module("transformers")
    found = Guarded()
    found.read("transformers_version", lambda: str(transformers.__version__))
    found.read("transformers_file", lambda: str(transformers.__file__))
    name = model.get("class_name") or ""
    if name:
        found.read("class_file", lambda: inspect.getfile(getattr(transformers, name)))
        found.read("auto_class", lambda: _chosen(transformers, model["model_type"]))
    return {**found.row(), "class_name": name}


def _chosen(transformers: Any, model_type: str) -> str:
    """The class that AutoModelForImageTextToText takes for this model type."""
    config = type(transformers.AutoConfig.for_model(model_type))
    return str(transformers.AutoModelForImageTextToText._model_mapping[config].__name__)
