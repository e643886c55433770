"""The attention implementations that the target offers, as plain functions of q, k, v.

Runs in the target; standard library only at module level. Each call takes tensors of shape (batch,
heads, tokens, width), the scaling and, if tokens are hidden from each other, a mask that is added
to the logits; it returns the output in the same layout, with the weights where the implementation
computes them.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from qvl_checks.attention import cure

Call = Callable[..., tuple[Any, Any]]

FLASH_MODULE = "flash_attn"
SDPA_BACKENDS = {
    "sdpa:math": "MATH",
    "sdpa:flash": "FLASH_ATTENTION",
    "sdpa:efficient": "EFFICIENT_ATTENTION",
    "sdpa:cudnn": "CUDNN_ATTENTION",
}


class Implementation(NamedTuple):
    """One implementation."""

    name: str
    origin: str
    """Whose code it is."""
    call: Call


def offered(model_type: str, device: str) -> Iterator[Implementation]:
    """What torch and transformers bring; whether it can run here shows when it is called."""
    modeling = cure.modeling_module(model_type) if model_type else None
    yield _eager(modeling)
    yield _eager_fp32(modeling, model_type)
    yield Implementation("sdpa", "torch, its own choice of backend", _sdpa)
    for name, backend in SDPA_BACKENDS.items():
        if device == "cpu" and name in ("sdpa:efficient", "sdpa:cudnn"):
            continue
        yield Implementation(name, "torch", _sdpa_with(backend))


def flash_attention_2() -> Implementation:
    """flash-attn, which is imported when it is called."""
    return Implementation("flash_attention_2", FLASH_MODULE, _flash_attention_2)


def sdpa_choice(query: Any, key: Any, value: Any) -> str:
    """The backend that torch takes for these tensors when nobody forces one; "" if not told."""
    import torch

    try:
        from torch.nn.attention import SDPBackend

        chosen = torch._fused_sdp_choice(query, key, value)
        return str(SDPBackend(chosen).name).lower()
    except (ImportError, AttributeError, ValueError, RuntimeError):
        return ""


def _eager(modeling: Any | None) -> Implementation:
    forward = getattr(modeling, "eager_attention_forward", None)
    if forward is not None:
        origin = f"{forward.__module__}.eager_attention_forward"
        return Implementation("eager", origin, _as_plain(forward))
    hides_overflow = modeling is not None and "isinf" in inspect.getsource(modeling)
    origin = "the mathematics of the eager class" if modeling else "the mathematics of eager"
    if hides_overflow:
        origin += ", which turns infinite float16 logits into zeros"
    return Implementation("eager", origin, _eager_mathematics(hides_overflow))


def _eager_fp32(modeling: Any | None, model_type: str) -> Implementation:
    try:
        applied = cure.apply_cure(model_type)
    except Exception as error:
        return Implementation(cure.NAME, "the cure", _raising(error))
    if applied.style == "function":
        return Implementation(cure.NAME, "the cure", _as_plain(applied.namespace[cure.NAME]))
    plain = _eager(modeling).call

    def call(query: Any, key: Any, value: Any, scaling: float, mask: Any = None) -> tuple[Any, Any]:
        with applied.namespace["Fp32Logits"]():
            return plain(query, key, value, scaling, mask)

    return Implementation(cure.NAME, "the cure around eager", call)


def _raising(error: Exception) -> Call:
    def call(*tensors: Any) -> tuple[Any, Any]:
        raise error

    return call


def _as_plain(forward: Callable[..., Any]) -> Call:
    """An attention function of transformers, which sees its module and answers transposed."""
    module = SimpleNamespace(num_key_value_groups=1, training=False)

    def call(query: Any, key: Any, value: Any, scaling: float, mask: Any = None) -> tuple[Any, Any]:
        output, weights = forward(module, query, key, value, mask, scaling=scaling)
        return output.transpose(1, 2), weights

    return call


def _eager_mathematics(hides_overflow: bool) -> Call:
    """What the attention classes before 4.53 compute between projection and projection."""
    import torch

    def call(query: Any, key: Any, value: Any, scaling: float, mask: Any = None) -> tuple[Any, Any]:
        logits = torch.matmul(query, key.transpose(2, 3)) * scaling
        if mask is not None:
            logits = logits + mask
        if hides_overflow and query.dtype == torch.float16:
            logits = torch.where(torch.isinf(logits), torch.zeros_like(logits), logits)
        weights = torch.softmax(logits, dim=-1, dtype=torch.float32).to(query.dtype)
        return torch.matmul(weights, value), weights

    return call


def _sdpa(
    query: Any, key: Any, value: Any, scaling: float, mask: Any = None, **keywords: Any
) -> tuple[Any, None]:
    import torch

    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(query, key, value, attn_mask=mask, scale=scaling, **keywords), None


def _sdpa_with(backend: str) -> Call:
    def call(
        query: Any, key: Any, value: Any, scaling: float, mask: Any = None, **keywords: Any
    ) -> tuple[Any, None]:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        forced = sdpa_kernel(getattr(SDPBackend, backend))
        # torch says why a backend cannot run in warnings, and raises a sentence without reasons.
        with warnings.catch_warnings(record=True) as said, forced:
            warnings.simplefilter("always")
            try:
                return _sdpa(query, key, value, scaling, mask, **keywords)
            except RuntimeError as error:
                reasons = [str(warning.message).split(" (Triggered")[0] for warning in said]
                raise RuntimeError("; ".join([*reasons, str(error)])) from error

    return call


def _flash_attention_2(query: Any, key: Any, value: Any, scaling: float) -> tuple[Any, None]:
    from flash_attn import flash_attn_func

    rows = (tensor.transpose(1, 2) for tensor in (query, key, value))
    return flash_attn_func(*rows, softmax_scale=scaling).transpose(1, 2), None
