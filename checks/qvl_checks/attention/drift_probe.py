"""Compares attention implementations with a float64 reference, in the target.

The inputs isolate one cause: every logit of a row carries the same offset, which softmax ignores
and which a low-precision logit does not. q, k and v are rounded to the dtype first and the
reference uses the rounded values, so that only the implementation's own arithmetic is measured.
"""

import functools
import importlib.util
import math
from typing import Any, Dict, List, Optional, Tuple

from qvl_checks.attention.attention_functions import (
    FLASH_MODULE,
    Implementation,
    flash_attention_2,
    offered,
    sdpa_choice,
)
from qvl_checks.host.cuda import NO_CUDA
from qvl_checks.host.isolated import isolated
from qvl_checks.models.tiny import head_dim

QUERIES = 64
CONTENT_SPREAD = 2.0
"""Standard deviation of the logits without the offset; trained heads lie around it."""
FP16_MAX = 65504.0
SHORT, MIDDLE, LONG, VERY_LONG = 256, 1024, 4096, 16384
LENGTH_OFFSET = 64
FREE_BYTES_NEEDED = 1 << 30
FLASH_S = 40.0
DEFAULT_HEAD_DIM = 128


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """Measure the grid of the level; see `DriftFacts` for the fields.

    flash-attn is measured in a child: a wrong binary ends or spoils the process that calls it. That
    comes first, because a fork cannot use CUDA any more once its parent has.
    """
    apart = None
    if importlib.util.find_spec(FLASH_MODULE) is not None and (
        request.get("level", "quick") != "quick" or _wants_flash(request)
    ):
        apart = isolated(lambda: measured(request, flash=True), FLASH_S)
    facts = measured(request, flash=False)
    if apart is not None and facts["device"] != "cpu":
        _add(facts, apart)
    return facts


def measured(request: Dict[str, Any], flash: bool) -> Dict[str, Any]:
    """The grid through flash-attn, or through everything else."""
    import torch

    device, device_reason = pick_device()
    model = request.get("model") or {}
    width = head_width(model.get("config") or {})
    quick = request.get("level", "quick") == "quick"
    # Small tensors: a second thread costs more than it brings, most of all on a busy machine.
    torch.set_num_threads(1)
    heads = 2 if device == "cpu" else 4
    wished = (request.get("workload") or {}).get("dtype")
    dtypes = ["bfloat16", "float16"] + (["float32"] if wished == "float32" else [])
    if flash:
        implementations = [flash_attention_2()] if device != "cpu" else []
    else:
        implementations = list(offered(model.get("model_type") or "", device))
    missing: Dict[str, str] = {}
    cells: List[Dict[str, Any]] = []
    chosen: Dict[str, str] = {}
    with torch.no_grad():
        for dtype in dtypes:
            for offset, length in grid(quick, width, device) if implementations else ():
                tensors = make_tensors(dtype, device, heads, length, width, offset)
                scaling = width**-0.5
                chosen.setdefault(dtype, sdpa_choice(*tensors))
                reference = exact(*tensors, scaling)
                overflowing = beyond_range(tensors[0], tensors[1])
                for implementation in implementations:
                    key = f"{implementation.name} {dtype}"
                    if key in missing:
                        continue
                    try:
                        distances = compare(implementation, tensors, scaling, reference)
                    except Exception as error:
                        missing[key] = f"{type(error).__name__}: {error}"[:400]
                        continue
                    cells.append(
                        {
                            "implementation": implementation.name,
                            "dtype": dtype,
                            "offset": offset,
                            "length": length,
                            "overflowing": overflowing,
                            **distances,
                        }
                    )
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(0) if device != "cpu" else "",
        "device_reason": device_reason,
        "torch": str(torch.__version__),
        "head_dim": width,
        "heads": heads,
        "queries": QUERIES,
        "origins": {item.name: item.origin for item in implementations},
        "missing": missing,
        "sdpa_backend": chosen,
        "cells": cells,
    }


def _add(facts: Dict[str, Any], apart: Dict[str, Any]) -> None:
    """What the child with flash-attn found, or how it ended."""
    if apart["status"] == "ok":
        facts["cells"] += apart["data"]["cells"]
        for key in ("origins", "missing"):
            facts[key].update(apart["data"][key])
        return
    for dtype in ("bfloat16", "float16"):
        facts["missing"][f"flash_attention_2 {dtype}"] = apart["reason"][:400]


def pick_device() -> Tuple[str, str]:
    """("cuda:0" or "cpu", why not the GPU)."""
    import torch

    try:
        if not torch.cuda.is_available():
            return "cpu", NO_CUDA
        free, _ = torch.cuda.mem_get_info(0)
    except Exception as error:
        return "cpu", f"CUDA does not start: {error}"[:300]
    if free < FREE_BYTES_NEEDED:
        return "cpu", f"the GPU has only {free >> 20} MiB free"
    return "cuda:0", ""


def head_width(config: Dict[str, Any]) -> int:
    """Width of a head of the language model; 128, as in most published sizes, if not stated."""
    text = config.get("text_config")
    text = text if isinstance(text, dict) else config
    return head_dim(text) if "num_attention_heads" in text else DEFAULT_HEAD_DIM


def grid(quick: bool, width: int, device: str) -> List[Tuple[int, int]]:
    """(offset, length) of every cell; the last offset is the first power of two at which an
    unscaled float16 product of this width overflows."""
    last = 2 ** math.ceil(math.log2(FP16_MAX / math.sqrt(width)))
    powers = [0, *(2**power for power in range(2, 20) if 2**power <= last)]
    if quick:
        return [(offset, SHORT) for offset in powers if offset in (0, 16, 64, 256, 1024, last)]
    lengths = [SHORT, LONG] if device == "cpu" else [SHORT, LONG, VERY_LONG]
    by_length = [(LENGTH_OFFSET, length) for length in lengths]
    return [(offset, MIDDLE) for offset in powers] + by_length


def make_tensors(
    dtype: str, device: str, heads: int, length: int, width: int, offset: float
) -> Tuple[Any, Any, Any]:
    """q (1, heads, queries, width), k and v (1, heads, length, width) in ``dtype``.

    The keys carry one constant in their last channel, as a k_proj bias on the slowest RoPE pair
    does, and the queries answer it so that every scaled logit is shifted by ``offset``.
    """
    import torch

    query, key, value = (tensor.clone() for tensor in content(heads, length, width))
    constant = min(max(float(offset), 1.0), 64.0)
    query[..., -1] = offset * math.sqrt(width) / constant
    key[..., -1] = constant if offset else 0.0
    wanted = getattr(torch, dtype)
    return query.to(device, wanted), key.to(device, wanted), value.to(device, wanted)


@functools.lru_cache(maxsize=1)
def content(heads: int, length: int, width: int) -> Tuple[Any, Any, Any]:
    """q, k and v in float32 before the offset."""
    import torch

    generator = torch.Generator().manual_seed(length)

    def drawn(tokens: int) -> Any:
        return torch.randn(1, heads, tokens, width, generator=generator, dtype=torch.float32)

    spread = math.sqrt(CONTENT_SPREAD)
    return drawn(QUERIES) * spread, drawn(length) * spread, drawn(length)


def exact(query: Any, key: Any, value: Any, scaling: float) -> Tuple[Any, Any]:
    """Output and weights in float64."""
    import torch

    logits = query.double() @ key.double().transpose(2, 3) * scaling
    weights = torch.softmax(logits, dim=-1)
    return weights @ value.double(), weights


def beyond_range(query: Any, key: Any) -> int:
    """How many unscaled products of these tensors their dtype cannot hold."""
    import torch

    products = query.double() @ key.double().transpose(2, 3)
    return int((products.abs() > torch.finfo(query.dtype).max).sum())


def compare(
    implementation: Implementation,
    tensors: Tuple[Any, Any, Any],
    scaling: float,
    reference: Tuple[Any, Any],
) -> Dict[str, Any]:
    """Relative L2 error of the output, agreement of the strongest key, KL(reference || it)."""
    output, weights = implementation.call(*tensors, scaling)
    nonfinite = int((~output.isfinite()).sum())
    if nonfinite:
        return {"error": None, "top1": None, "kl": None, "nonfinite": nonfinite}
    exact_output, exact_weights = reference
    error = (output.double() - exact_output).norm() / exact_output.norm()
    if weights is None:
        if tensors[1].shape[2] > (LONG if output.is_cuda else MIDDLE):
            # Reading them costs a call per head's width of keys: minutes on a processor.
            return {"error": _finite(error.item()), "top1": None, "kl": None, "nonfinite": 0}
        weights = weights_through_identity(implementation, tensors, scaling)
    top1 = (weights.argmax(-1) == exact_weights.argmax(-1)).double().mean()
    weights = weights.double().clamp_min(1e-12)
    weights = weights / weights.sum(-1, keepdim=True)
    ratio = exact_weights.clamp_min(1e-300).log() - weights.log()
    kl = (exact_weights * ratio).sum(-1).mean()
    return {
        "error": _finite(error.item()),
        "top1": _finite(top1.item()),
        "kl": _finite(kl.item()),
        "nonfinite": 0,
    }


def weights_through_identity(
    implementation: Implementation, tensors: Tuple[Any, Any, Any], scaling: float
) -> Any:
    """The weights of a kernel that does not return them: P·I, a head's width of keys at a time."""
    import torch

    query, key, value = tensors
    length, width = value.shape[2:]
    parts = []
    for start in range(0, length, width):
        count = min(width, length - start)
        picks = torch.zeros_like(value)
        picks[..., torch.arange(start, start + count), torch.arange(count)] = 1
        parts.append(implementation.call(query, key, picks, scaling)[0][..., :count])
    return torch.cat(parts, dim=-1)


def _wants_flash(request: Dict[str, Any]) -> bool:
    attention = (request.get("workload") or {}).get("attention")
    return isinstance(attention, str) and "flash" in attention


def _finite(number: float) -> Optional[float]:
    return float(f"{number:.6g}") if math.isfinite(number) else None
