"""Facts about an installed flash-attn, read from its files."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class FlashExtension(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled file; None: not readable, see ``unread``."""

    name: str
    readable: bool
    reason: str = ""
    bytes: int | None = None
    python_tag: str | None = None
    """``cpython-311`` or ``abi3``, from the file's name."""
    needed: tuple[str, ...] | None = None
    glibc: str | None = None
    """The newest GLIBC version that it refers to."""
    architectures: tuple[str, ...] | None = None
    """``sm_80`` (machine code), ``compute_90`` (PTX); empty: no GPU code was found."""
    cxx11_abi: bool | None = None
    """Whether it was built for a torch with the C++11 ABI."""
    cudart_major: str | None = None
    torch_symbols: int = 0
    """How many functions of torch it calls."""
    missing_count: int | None = None
    """How many of those no library of the installed torch exports; None: torch was not read."""
    missing: tuple[str, ...] | None = None
    absent_libraries: tuple[str, ...] | None = None
    """torch libraries that it asks for and that this torch does not have."""
    unread: dict[str, str] = {}


class FlashDistribution(msgspec.Struct, frozen=True, kw_only=True):
    """One installed flash-attention distribution."""

    tag: str | None = None
    """``cu12torch2.8cxx11abiTRUE``; None when the installation kept no trace of it."""
    tag_cuda: str | None = None
    tag_torch: str | None = None
    tag_cxx11_abi: bool | None = None
    extensions: tuple[FlashExtension, ...] = ()


class FlashAttnFilesFacts(Facts):
    """The installed flash-attention distributions; empty where there are none."""

    probe: ClassVar[str] = "attention.flash-attn-files"
    torch_libraries: tuple[str, ...] = ()
    torch_unread: dict[str, str] = {}
    torch_cxx11_abi: bool | None = None
    """The C++ ABI of the installed torch, by what it exports."""
    distributions: dict[str, FlashDistribution] = {}


ATTENTION_FLASH_ATTN_FILES = Probe(
    id="attention.flash-attn-files",
    title="reads what flash-attn was built for",
    facts=FlashAttnFilesFacts,
    entry="qvl_checks.attention.flash_attn_files_probe:run",
    budget_s=40,
    where="doctor",
    inputs=("versions.packages",),
)
