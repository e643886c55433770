"""Whether flash-attn can be imported, and whether its kernels compute the right thing."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

from qvl_checks.host.cuda import NO_CUDA
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated

MODULES = ("flash_attn", "flash_attn_interface")
"""FlashAttention 2 (and 4, under the same name), and FlashAttention 3."""
IMPORT_S = 45.0
KERNEL_S = 90.0
DTYPES = ("bfloat16", "float16")
HEAD_SIZES = (64, 72, 80, 128)
"""Of the language models (128) and the vision towers (64, 72, 80) of every Qwen-VL."""
HEADS, KV_HEADS = 4, 2
LENGTHS = (77, 256, 179)
"""Segments of the variable-length call; their sum is the length of the plain one."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Both in forks of their own, because a wrong binary may end the process."""
    torch = importlib.import_module("torch")
    # Counting does not initialise CUDA, so the forks below can still use it.
    cuda = torch.backends.cuda.is_built() and torch.cuda.device_count() > 0
    facts: dict[str, Any] = {"modules": {}, "cuda": cuda, "ran": False, "rows": []}
    for name in MODULES:
        module, kernels = _tried(name, cuda and not facts["ran"])
        facts["modules"][name] = module
        if kernels:
            facts.update(kernels, ran=True, kernel_module=name)
    if not cuda:
        facts["not_run_because"] = NO_CUDA
    elif not facts["ran"]:
        facts["not_run_because"] = "no flash-attention module could be imported"
    return facts


def _tried(name: str, cuda: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What importing the module did, and what its kernels did where there is a GPU for them.

    One child does both; only where it fails a second one tells which of them it was.
    """
    if not cuda:
        return _imported(name), {}
    found = _absent(name)
    if found is not None:
        return found, {}
    outcome = isolated(lambda: {**_described(name), "rows": compared(name, "cuda")}, KERNEL_S)
    if outcome["status"] == "ok":
        data = outcome["data"]
        kernels = {"kernel_status": "ok", "rows": data.pop("rows")}
        return {"status": "ok", **data}, kernels
    module = _imported(name)
    if module["status"] != "ok":
        return module, {}
    return module, {"kernel_status": outcome["status"], "kernel_error": outcome["reason"]}


def _absent(name: str) -> dict[str, Any] | None:
    """Why there is nothing to import; None: there is."""
    try:
        found = importlib.util.find_spec(name)
    except Exception as error:
        return {"status": "raised", "reason": reason_of(error)}
    if found is None or found.origin is None:  # nothing, or a folder without code
        return {"status": "absent"}
    return None


def _imported(name: str) -> dict[str, Any]:
    absent = _absent(name)
    if absent is not None:
        return absent
    outcome = isolated(lambda: _described(name), IMPORT_S)
    return {**outcome.pop("data", {}), **outcome}


def _described(name: str) -> dict[str, Any]:
    module = importlib.import_module(name)
    call = getattr(module, "flash_attn_varlen_func", None)
    if call is None:
        raise ImportError(f"{name} has no flash_attn_varlen_func ({module.__file__})")
    return {
        "version": str(getattr(module, "__version__", "")) or None,
        "file": str(module.__file__),
        "takes_deterministic": "deterministic" in inspect.signature(call).parameters,
    }


def compared(name: str, device: str) -> list[dict[str, Any]]:
    """Plain and variable-length calls against float64, sdpa beside them on the same tensors."""
    torch = importlib.import_module("torch")
    flash = importlib.import_module(name)
    rows = []
    for dtype in DTYPES:
        for size in HEAD_SIZES:
            for causal in (False, True):
                for function in ("flash_attn_func", "flash_attn_varlen_func"):
                    row = {
                        "function": function,
                        "dtype": dtype,
                        "head_size": size,
                        "causal": causal,
                    }
                    try:
                        errors = _errors(torch, flash, device, function, dtype, size, causal)
                    except Exception as error:
                        errors = {"reason": reason_of(error)}
                    rows.append({**row, **errors})
    return rows


def _errors(
    torch: Any, flash: Any, device: str, function: str, dtype: str, size: int, causal: bool
) -> dict[str, Any]:
    generator = torch.Generator(device=device).manual_seed(size)
    length = sum(LENGTHS)

    def tensor(heads: int) -> Any:
        shape = (length, heads, size)
        drawn = torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
        return drawn.to(getattr(torch, dtype))

    query, key, value = tensor(HEADS), tensor(KV_HEADS), tensor(KV_HEADS)
    if function == "flash_attn_func":
        lengths: tuple[int, ...] = (length,)
        arguments = (query[None], key[None], value[None])
        answer = flash.flash_attn_func(*arguments, causal=causal)
    else:
        lengths = LENGTHS
        bounds = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
        ends = torch.tensor(bounds, dtype=torch.int32, device=device)
        answer = flash.flash_attn_varlen_func(
            query, key, value, ends, ends, max(lengths), max(lengths), causal=causal
        )
    if isinstance(answer, tuple):  # FlashAttention 3 returns the logsumexp as well
        answer = answer[0]
    answer = answer.reshape(length, HEADS, size)
    exact = _reference(torch, query.double(), key.double(), value.double(), lengths, causal)
    rounded = _reference(torch, query, key, value, lengths, causal)
    return {
        "error": _relative(torch, answer, exact),
        "sdpa_error": _relative(torch, rounded, exact),
        "max_abs_error": _finite((answer.double() - exact).abs().max().item()),
    }


def _reference(
    torch: Any, query: Any, key: Any, value: Any, lengths: tuple[int, ...], causal: bool
) -> Any:
    """Attention within each segment by torch's own function; (tokens, heads, size)."""
    group = HEADS // KV_HEADS
    parts = []
    for q, k, v in zip(*(tensor.split(lengths) for tensor in (query, key, value))):
        q, k, v = (
            part.transpose(0, 1)[None]
            for part in (q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1))
        )
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        parts.append(attended[0].transpose(0, 1))
    return torch.cat(parts)


def _relative(torch: Any, answer: Any, exact: Any) -> float | None:
    """Relative L2 error; None when the answer holds inf or NaN."""
    error = torch.linalg.vector_norm(answer.double() - exact) / torch.linalg.vector_norm(exact)
    return _finite(error.item())


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None
