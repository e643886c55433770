"""Checkpoints of tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save(request: dict[str, Any]) -> dict[str, Any]:
    """Write a checkpoint with random weights into ``path``; return the size of its weights."""
    from qvl_checks.models.build import make_config, make_model

    model = make_model(make_config(request["model"]["config"]), dtype="float32")
    model.save_pretrained(request["path"], safe_serialization=True)
    return {"bytes": sum(f.stat().st_size for f in Path(request["path"]).glob("*.safetensors"))}
