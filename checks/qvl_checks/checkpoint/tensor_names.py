"""What the tensor names of a checkpoint say about it. Standard library only, Python 3.9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from qvl_checks.checkpoint.bounded_file import valid

EXAMPLES = 20
NAME_LIMIT = 300
BIAS_NAMES = 512
"""One per layer, so that the biases can be found again; no published model has more layers."""
QUANTIZED_SUFFIXES = (
    ".qweight",
    ".qzeros",
    ".scales",
    ".weight_scale",
    ".weight_scale_inv",
    ".weight_packed",
    ".absmax",
    ".quant_state.bitsandbytes__nf4",
    ".quant_state.bitsandbytes__fp4",
    ".SCB",
)
VISION_PREFIXES = ("visual.", "model.visual.", "thinker.visual.")


def examples(names: Iterable[str]) -> dict[str, Any]:
    """How many names there are, and the first of them in order."""
    ordered = sorted(names)
    return {"count": len(ordered), "examples": [shown(name) for name in ordered[:EXAMPLES]]}


def shown(name: str) -> str:
    """The name as it may stand in a report: valid and of bounded length."""
    return valid(name)[:NAME_LIMIT]


def describe(tensors: Mapping[str, Any], named_elsewhere: Iterable[str]) -> dict[str, Any]:
    """Facts about all weights of the model.

    ``tensors`` comes from readable headers; ``named_elsewhere`` adds the names that only the index
    knows, because their shard is damaged, absent or in a format that is not opened.
    """
    names = set(tensors) | set(named_elsewhere)
    vision = {name for name in names if name.startswith(VISION_PREFIXES)}
    text = names - vision
    biases = sorted(name for name in text if name.endswith(".k_proj.bias"))
    dtypes = Counter(str(entry["dtype"]) for entry in tensors.values())
    return {
        "count": len(names),
        "dtypes": {shown(dtype): count for dtype, count in dtypes.most_common(EXAMPLES)},
        "output_head": examples(n for n in names if _part(n, "lm_head")),
        "embeddings": examples(n for n in names if _part(n, "embed_tokens")),
        "k_proj_biases": {"count": len(biases), "names": [shown(n) for n in biases[:BIAS_NAMES]]},
        "qk_norms": sum(name.endswith((".q_norm.weight", ".k_norm.weight")) for name in names),
        "vision_prefixes": [p for p in VISION_PREFIXES if any(n.startswith(p) for n in vision)],
        "vision_tensors": len(vision),
        "vision_quantized": examples(n for n in vision if n.endswith(QUANTIZED_SUFFIXES)),
        "vision_gates": sum(".mlp.gate_proj." in name for name in vision),
        "layer_prefixes": prefixes(text),
    }


def prefixes(names: Iterable[str]) -> dict[str, int]:
    """Paths before the numbered layers, with the number of tensors under each, largest first."""
    found: Counter[str] = Counter()
    for name in names:
        for marker in (".layers.", ".blocks."):
            head, at, _ = name.partition(marker)
            if at:
                found[head + marker.rstrip(".")] += 1
                break
    return {shown(prefix): count for prefix, count in found.most_common(EXAMPLES)}


def _part(name: str, module: str) -> bool:
    return f".{module}." in f".{name}"
