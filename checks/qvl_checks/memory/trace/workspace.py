"""Memory that NVIDIA's libraries hold through torch's allocator once the first product ran.

Sizes: `parseChosenWorkspaceSize` in aten/src/ATen/cuda/CublasHandlePool.cpp, torch 2.1 to 2.13:
``:4096:8`` (KiB) on Hopper and later, ``:4096:2:16:8`` before; one per handle and stream.
``CUBLAS_WORKSPACE_CONFIG`` changes the size. A linear layer with a bias also takes 1 MiB for the
time of the call (cublasLt), which is within what cannot be known here.
"""

from __future__ import annotations

import re

KIB = 1024
HOPPER = 4096 * 8 * KIB
BEFORE_HOPPER = (4096 * 2 + 16 * 8) * KIB


def workspace_bytes(capability: tuple[int, int], setting: str = "") -> int:
    """Bytes that stay allocated on a GPU of this compute capability after the first product.

    ``setting`` is the value of ``CUBLAS_WORKSPACE_CONFIG``.
    """
    pairs = re.findall(r":(\d+):(\d+)", setting)
    if pairs:
        return sum(int(size) * int(count) for size, count in pairs) * KIB
    return HOPPER if capability >= (9, 0) else BEFORE_HOPPER
