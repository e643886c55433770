"""``scaled_dot_product_attention`` as the storages that each CUDA kernel allocates.

A build without CUDA would choose among CPU kernels. The order and the conditions are those of
``sdp_utils.cpp`` in ATen/native/transformers/cuda (torch 2.5 to 2.13), as far as a Qwen-VL model
can meet them.
"""

from __future__ import annotations

from typing import Any, Optional

FLASH, EFFICIENT, MATH = "flash", "efficient", "math"
AMPERE = (8, 0)
FLASH_HEAD_LIMIT = 256
MASK_ALIGNMENT = 16
"""Elements; the memory-efficient kernel wants the rows of a mask padded to a multiple of it."""
HEAD_ALIGNMENT = 8


def choose(query: Any, key: Any, mask: Optional[Any], gqa: bool, capability: Any) -> str:
    """The backend that a GPU of this compute capability would use."""
    if query.dim() != 4:
        return MATH
    half = query.element_size() == 2
    fits = query.shape[-1] <= FLASH_HEAD_LIMIT
    if mask is None and half and fits and tuple(capability) >= AMPERE:
        return FLASH
    if gqa and query.shape[1] != key.shape[1]:
        return MATH
    return EFFICIENT


class Sdpa:
    """Stands in for ``torch.nn.functional.scaled_dot_product_attention``."""

    def __init__(self, torch: Any, capability: tuple[int, int]) -> None:
        self._torch = torch
        self._capability = capability

    def __call__(
        self,
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: Optional[float] = None,
        enable_gqa: bool = False,
    ) -> Any:
        """A result of the right shape and layout; scratch is allocated and freed on the way."""
        backend = choose(query, key, attn_mask, enable_gqa, self._capability)
        if backend == FLASH:
            return self._flash(query, key, value)
        if backend == EFFICIENT:
            return self._efficient(query, value, attn_mask)
        return self._math(query, key, value, attn_mask, is_causal, scale, enable_gqa)

    def _empty(self, like: Any, shape: Any, dtype: Any = None) -> Any:
        return self._torch.empty(shape, dtype=dtype or like.dtype, device=like.device)

    def _flash(self, query: Any, key: Any, value: Any) -> Any:
        """Output, and the log-sum-exp in float32; heads padded to a multiple of 8."""
        torch = self._torch
        batch, heads, length, width = query.shape
        padded = -(-width // HEAD_ALIGNMENT) * HEAD_ALIGNMENT
        if padded != width:
            extra = (0, padded - width)
            query, key, value = (torch.nn.functional.pad(t, extra) for t in (query, key, value))
        output = self._empty(query, (batch, length, heads, padded)).transpose(1, 2)
        sums = self._empty(query, (batch, heads, length), torch.float32)
        seeds = self._empty(query, 2, torch.int64)
        del sums, seeds
        return output[..., :width] if padded != width else output

    def _efficient(self, query: Any, value: Any, mask: Any) -> Any:
        """Output, and the mask as a float bias whose rows are padded; no log-sum-exp without
        gradients."""
        batch, heads, length, _ = query.shape
        bias = self._bias(mask, query)
        if bias is not None and bias.shape[-1] % MASK_ALIGNMENT:
            missing = -bias.shape[-1] % MASK_ALIGNMENT
            bias = self._torch.nn.functional.pad(bias, (0, missing))
        output = self._empty(query, (batch, length, heads, value.shape[-1]))
        del bias
        return output.transpose(1, 2)

    def _bias(self, mask: Any, query: Any) -> Any:
        if mask is None or mask.dtype != self._torch.bool:
            return mask
        return self._empty(query, mask.shape)

    def _math(
        self, query: Any, key: Any, value: Any, mask: Any, causal: bool, scale: Any, gqa: bool
    ) -> Any:
        """Plain operators; half precision is computed in float32 (torch 2.5 and later)."""
        torch = self._torch
        dtype = query.dtype
        bias = self._bias(mask, query)
        if gqa and query.shape[-3] != key.shape[-3]:
            groups = query.shape[-3] // key.shape[-3]
            key, value = (t.repeat_interleave(groups, -3) for t in (key, value))
        if causal:
            bias = self._empty(query, (query.shape[-2], key.shape[-2]))
        # The unscaled inputs stay alive until the end, as arguments of the real function.
        upcast = [t.float() if dtype.itemsize == 2 else t for t in (query, key, value)]
        factor = (scale or query.shape[-1] ** -0.5) ** 0.5
        scaled = upcast[0] * factor
        weights = torch.matmul(scaled, upcast[1].transpose(-2, -1) * factor)
        if bias is not None:
            # In place in the real code; fake tensors would take its out-of-place branch.
            weights.add_(bias)
        softmax = getattr(torch.ops.aten, "_safe_softmax", torch.softmax)
        weights = softmax(weights, -1)
        output = torch.matmul(weights, upcast[2]).to(dtype)
        weights = weights.to(dtype)
        return output
