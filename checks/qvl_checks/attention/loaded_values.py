"""Whether the tensors of a loaded model hold what the files hold under their names.

A loader that renames or splits tensors can put them elsewhere without lacking any. Runs in the
target; standard library only at module level.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qvl_checks.attention.stored_tensors import StoredTensors, Unreadable

EXAMPLES = 12
PREFIXES = ("", "model.", "language_model.", "model.language_model.", "language_model.model.")
"""What may stand before ``visual.`` and ``layers.``, by release; other towers are left out."""


def compare_values(model: Any, folder: str) -> dict[str, Any]:
    """The first row of every matrix, and every vector, of the vision tower and the layers.

    Names behind ``visual.`` and ``layers.`` are the same in all releases.
    """
    import torch

    found: dict[str, Any] = {"compared": 0, "differing": 0, "examples": [], "reason": ""}
    try:
        stored = StoredTensors(Path(folder))
        places = {key: name for name in stored.names if (key := _key(name))}
        for name, parameter in model.named_parameters():
            source = places.get(_key(name) or "")
            if source is None or parameter.is_meta or parameter.dim() > 2:
                continue
            if stored.shape(source) != list(parameter.shape):
                continue
            vector = parameter.dim() == 1
            numbers = stored.vector(source) if vector else stored.row(source, 0)
            wanted = torch.tensor(numbers).to(parameter.dtype).float()
            held = (parameter if vector else parameter[0]).detach().cpu().float()
            found["compared"] += 1
            if not torch.allclose(held, wanted, rtol=0.0, atol=0.0, equal_nan=True):
                found["differing"] += 1
                if len(found["examples"]) < EXAMPLES:
                    found["examples"].append(name[:200])
    except Unreadable as error:
        found["reason"] = str(error)[:300]
    return found


def _key(name: str) -> str | None:
    """What of a tensor's name does not change between releases."""
    for part in ("visual.", "layers."):
        before, found, after = name.partition(part)
        if found and before in PREFIXES:
            return part + after
    return None
