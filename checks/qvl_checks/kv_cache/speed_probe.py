"""Times generate with and without the KV cache, in the same run.

A small model on the CPU; at the deep level the examined size with random weights on the first GPU,
where there is room: time and memory do not depend on the values.
"""

from __future__ import annotations

import time
from typing import Any

from qvl_checks.host.cuda import NO_CUDA
from qvl_checks.models.build import make_config, make_inputs, make_model

SMALL = {"text_tokens": 250, "new_tokens": 8, "images": ((56, 56),)}
FULL = {"text_tokens": 3800, "new_tokens": 32, "images": ((448, 448),)}
SPARE_BYTES = 3 << 30
"""Beside the weights: the context, the cache, the activations of the prompt."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `CacheSpeedFacts` for the fields."""
    import torch

    facts, workload = request.get("model") or {}, request.get("workload") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    because = "only the deep level builds the examined size"
    if request.get("level") == "deep":
        because = why_not_full(torch, facts, workload)
    with torch.no_grad():
        if because:
            torch.set_num_threads(1)  # as for every small model here
            config = make_config(facts["tiny_config"])
            times = timed(torch, config, "cpu", "float32", None, SMALL)
            return {"small": True, "small_because": because, **times}
        cap = workload.get("cap_bytes")
        if cap:
            total = torch.cuda.mem_get_info(0)[1]
            torch.cuda.set_per_process_memory_fraction(min(1.0, cap / total), 0)
        config = make_config(facts["config"])
        dtype = dtype_of(workload)
        attention = workload.get("attention")
        return {"small": False, **timed(torch, config, "cuda:0", dtype, attention, FULL)}


def dtype_of(workload: dict[str, Any]) -> str:
    """The workload's, if it is one that a full-size model is run in."""
    stated = workload.get("dtype")
    return stated if stated in ("bfloat16", "float16") else "bfloat16"


def why_not_full(torch: Any, facts: dict[str, Any], workload: dict[str, Any]) -> str:
    """Why the examined size is not built here; "" if it is."""
    parameters = facts.get("parameters")
    if not parameters:
        return "no size was named"
    if not torch.cuda.is_available():
        return NO_CUDA
    free = min(torch.cuda.mem_get_info(0)[0], workload.get("cap_bytes") or 1 << 62)
    needed = 2 * int(parameters) + SPARE_BYTES
    if free < needed:
        return f"the GPU has {free >> 20} MiB to give, the model needs about {needed >> 20} MiB"
    return ""


def timed(
    torch: Any, config: Any, device: str, dtype: str, attention: Any, shape: dict[str, Any]
) -> dict[str, Any]:
    """Both ways of generating the same number of tokens from the same prompt."""
    model = make_model(config, dtype=dtype, device=device, attention=attention)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    inputs = make_inputs(
        config, images=shape["images"], text_tokens=shape["text_tokens"], device=device
    )
    on_gpu = device != "cpu"

    def generate(use_cache: bool, tokens: int) -> tuple[float, Any, int | None]:
        if on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False, use_cache=use_cache)
        if on_gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        return seconds, out, int(torch.cuda.max_memory_allocated()) if on_gpu else None

    for use_cache in (True, False):
        generate(use_cache, 2)  # kernels are chosen and loaded on the first call
    cached_s, cached, cached_peak = generate(True, shape["new_tokens"])
    fresh_s, fresh, fresh_peak = generate(False, shape["new_tokens"])
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(0) if on_gpu else "",
        "dtype": dtype,
        "prompt_tokens": int(inputs["input_ids"].shape[1]),
        "new_tokens": shape["new_tokens"],
        "with_cache_s": round(cached_s, 4),
        "without_cache_s": round(fresh_s, 4),
        "same_tokens": bool(torch.equal(cached, fresh)),
        "peak_with_bytes": cached_peak,
        "peak_without_bytes": fresh_peak,
    }
