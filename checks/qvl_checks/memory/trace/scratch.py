"""Temporaries inside single CUDA operators, which never surface as tensors.

Read in ATen/native/cuda of torch 2.5 to 2.13; each is taken after the operator's output.
"""

from __future__ import annotations

from typing import Any


def scratch_of(torch: Any, func: Any, args: Any, outputs: list[Any]) -> list[int]:
    """Bytes of each temporary that ``func`` holds beside its inputs and outputs."""
    aten = torch.ops.aten
    if func in (aten.masked_scatter.default, aten.masked_scatter_.default):
        # The running count of mask elements, int64 (MaskedScatter in IndexKernel.cpp).
        return [args[0].numel() * 8]
    if func is getattr(aten._safe_softmax, "default", None):
        # A composite: softmax, comparison with -inf, where.
        return [outputs[0].untyped_storage().nbytes(), outputs[0].numel()]
    if func in (aten.sort.default, aten.sort.stable):
        return [args[0].numel() * 8] * 2
    return []
