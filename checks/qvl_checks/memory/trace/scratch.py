"""Temporaries inside single CUDA operators, which never surface as tensors.

Read in ATen/native/cuda of torch 2.5 to 2.13; each is taken after the operator's output.
"""

from __future__ import annotations

from typing import Any

SAMPLE = (64, 1024)
"""Enough elements that rounding and single numbers do not matter."""


class Scratch:
    """What the operators of the installed torch hold beside their inputs and outputs."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._safe_softmax_parts: list[int] = []

    def of(self, func: Any, args: Any, outputs: list[Any]) -> list[int]:
        """Bytes of each temporary of ``func``."""
        aten = self._torch.ops.aten
        if func in (aten.masked_scatter.default, aten.masked_scatter_.default):
            # The running count of mask elements, int64; the mask itself where it was expanded.
            count = args[0].numel()
            return [count * 8] + ([] if args[1].is_contiguous() else [count])
        if func is getattr(aten._safe_softmax, "default", None):
            count = outputs[0].numel()
            return [part * count for part in self._of_safe_softmax()]
        if func in (aten.sort.default, aten.sort.stable):
            return [args[0].numel() * 8] * 2
        return []

    def _of_safe_softmax(self) -> list[int]:
        """Bytes per element of a float32 result: a composite of softmax, a comparison with -inf and
        a choice, which older releases make into a new tensor; the installed one shows which."""
        if not self._safe_softmax_parts:
            from torch.utils._python_dispatch import _disable_current_modes

            torch = self._torch
            with _disable_current_modes():
                sizes = allocations(torch, lambda: torch._safe_softmax(torch.zeros(SAMPLE), -1))
            count = SAMPLE[0] * SAMPLE[1]
            # The sample and the result are none.
            self._safe_softmax_parts = sorted(size // count for size in sizes)[:-2]
        return self._safe_softmax_parts


def allocations(torch: Any, action: Any) -> list[int]:
    """Sizes of at least a byte per element of `SAMPLE` that ``action`` allocates on the CPU."""
    from torch.autograd.profiler_legacy import profile

    with profile(profile_memory=True) as recorded:
        action()
    sizes = [event.self_cpu_memory_usage for event in recorded.function_events]
    return [size for size in sizes if size >= SAMPLE[0] * SAMPLE[1]]
