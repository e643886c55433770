"""Reads the plan that transformers would split a model's weights by."""

from __future__ import annotations

from typing import Any

from qvl_checks.host.guarded import reason_of
from qvl_checks.models.build import make_config, model_class


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `TensorPlanFacts`."""
    import transformers

    facts: dict[str, Any] = {"transformers": str(transformers.__version__)}
    tiny = (request.get("model") or {}).get("tiny_config") or {}
    try:
        config = make_config(tiny)
        holder = model_class(config)
    except Exception as error:
        return {**facts, "reason": reason_of(error)}
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    rules = len(getattr(type(text), "base_model_tp_plan", None) or {})
    return {
        **facts,
        "text_config": type(text).__name__,
        "text_rules": rules,
        "obstacle": _obstacle(config) if rules else "",
        "head_rules": len(getattr(holder, "_tp_plan", None) or {}),
    }


def _obstacle(config: Any) -> str:
    import torch

    from qvl_checks.memory.trace import hollow, tensor_parallel
    from qvl_checks.memory.trace.replacements import Replacements

    with Replacements() as replaced:
        model = hollow.build(torch, config, "bfloat16", None, replaced)
    return tensor_parallel.obstacle(torch, model)
