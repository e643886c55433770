"""Memory that NVIDIA's libraries hold through torch's allocator once the first product ran.

cuBLAS: `parseChosenWorkspaceSize` in aten/src/ATen/cuda/CublasHandlePool.cpp, torch 2.1 to 2.13:
``:4096:8`` (KiB) on Hopper and later, ``:4096:2:16:8`` before; one per handle and stream.
``CUBLAS_WORKSPACE_CONFIG`` changes the size.

cuBLASLt, which computes linear layers with a bias: 1 MiB (``CUBLASLT_WORKSPACE_SIZE`` in KiB), kept
from torch 2.7 on, unless it shares the one of cuBLAS (``TORCH_CUBLASLT_UNIFIED_WORKSPACE``, which
is the default from torch 2.14 on); taken for the time of the call before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KIB = 1024
HOPPER = 4096 * 8 * KIB
BEFORE_HOPPER = (4096 * 2 + 16 * 8) * KIB
LT_DEFAULT = 1024
LT_KEPT_FROM = (2, 7)
UNIFIED_FROM = (2, 14)
WORKSPACE = "workspace"
TRUE = ("1", "on", "yes", "true")


def workspace_bytes(capability: tuple[int, int], setting: str = "") -> int:
    """Bytes that stay allocated on a GPU of this compute capability after the first product.

    ``setting`` is the value of ``CUBLAS_WORKSPACE_CONFIG``.
    """
    pairs = re.findall(r":(\d+):(\d+)", setting)
    if pairs:
        return sum(int(size) * int(count) for size, count in pairs) * KIB
    return HOPPER if capability >= (9, 0) else BEFORE_HOPPER


def lt_workspace_bytes(release: tuple[int, int], environment: Mapping[str, str]) -> int:
    """Bytes that stay allocated after the first linear layer with a bias, under this torch."""
    unified = environment.get("TORCH_CUBLASLT_UNIFIED_WORKSPACE", "").lower()
    shared = unified in TRUE if unified else release >= UNIFIED_FROM
    if release < LT_KEPT_FROM or shared:
        return 0
    stated = environment.get("CUBLASLT_WORKSPACE_SIZE", "")
    return (int(stated) if stated.isdigit() else LT_DEFAULT) * KIB


class Workspaces:
    """Books each library's workspace on each device when it is first used."""

    def __init__(
        self, torch: Any, ledger: Any, capability: tuple[int, int], environment: Mapping[str, str]
    ) -> None:
        aten = torch.ops.aten
        self._products = {aten.mm.default, aten.bmm.default, aten.baddbmm.default}
        self._products |= {aten.addmm.default, aten.addmv.default, aten.mv.default}
        self._with_bias = aten.addmm.default
        self._ledger = ledger
        self._size = workspace_bytes(capability, environment.get("CUBLAS_WORKSPACE_CONFIG", ""))
        release = tuple(int(part) for part in torch.__version__.split(".")[:2])
        self._lt_size = lt_workspace_bytes((release[0], release[1]), environment)
        self._booked: set[tuple[str, str]] = set()

    def used_by(self, func: Any, device: str) -> None:
        """An operator runs on a device."""
        if func not in self._products:
            return
        self._once("cublas", device, self._size)
        if func is self._with_bias:
            self._once("cublaslt", device, self._lt_size)

    def _once(self, library: str, device: str, size: int) -> None:
        if (library, device) not in self._booked:
            self._booked.add((library, device))
            self._ledger.hold(device, size, WORKSPACE)
