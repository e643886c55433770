"""Facts about flash-attn at run time: its import, and what its kernels compute."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class FlashModule(msgspec.Struct, frozen=True, kw_only=True):
    """What importing one module did."""

    status: str
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``absent``."""
    version: str | None = None
    file: str | None = None
    takes_deterministic: bool | None = None
    """Whether ``flash_attn_varlen_func`` has that argument (flash-attn 2.4.1 and later)."""
    reason: str = ""
    chain: tuple[str, ...] = ()
    signal: str = ""
    exit_code: int | None = None


class KernelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a kernel on random tensors."""

    function: str
    dtype: str
    head_size: int
    causal: bool
    error: float | None = None
    """Relative L2 error against float64; None: not finite, or the call failed."""
    sdpa_error: float | None = None
    """The same for torch's own attention in the same dtype on the same tensors."""
    max_abs_error: float | None = None
    reason: str = ""
    """Why the call failed, if it did."""


class FlashAttnKernelFacts(Facts):
    """flash-attn as it runs here."""

    probe: ClassVar[str] = "attention.flash-attn-kernel"
    modules: dict[str, FlashModule] = {}
    """``flash_attn`` (2 and 4) and ``flash_attn_interface`` (3)."""
    cuda: bool = False
    """Whether torch sees a CUDA device."""
    ran: bool = False
    not_run_because: str = ""
    kernel_status: str = ""
    kernel_error: str = ""
    kernel_module: str = ""
    rows: tuple[KernelRow, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether import finds any of the modules."""
        return any(module.status != "absent" for module in self.modules.values())


ATTENTION_FLASH_ATTN_KERNEL = Probe(
    id="attention.flash-attn-kernel",
    title="imports flash-attn and checks its kernels",
    facts=FlashAttnKernelFacts,
    entry="qvl_checks.attention.flash_attn_kernel_probe:run",
    budget_s=280,
    imports=("torch",),
    gpu=True,
)
