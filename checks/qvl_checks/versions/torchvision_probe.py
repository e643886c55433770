"""Whether torchvision loads with this torch: its compiled operators decide, not its version."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated

IMPORT_S = 60.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import it and run one compiled operator, in a fork that may die of it."""
    try:
        found = importlib.util.find_spec("torchvision")
    except Exception as error:
        return {"installed": True, "status": "raised", "reason": reason_of(error)}
    if found is None:
        return {"installed": False, "status": "absent"}
    outcome = isolated(_use, IMPORT_S)
    return {**outcome.pop("data", {}), **outcome, "installed": True}


def _use() -> dict[str, Any]:
    torch = importlib.import_module("torch")
    if "torchvision" not in sys.modules:
        # An import that failed before left submodules behind; with them the next one fails in
        # another way, which hides the reason.
        for leftover in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[leftover]
    torchvision = importlib.import_module("torchvision")
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    return {
        "version": str(torchvision.__version__),
        "file": str(torchvision.__file__),
        "nms_right": kept.tolist() == [0, 2],
    }
