"""Environments with a fake torch and a fake flash-attn whose compiled parts are real."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import msgspec
import pytest

import qvl_checks
from qvl_checks.attention.flash_attn_files_facts import (
    ATTENTION_FLASH_ATTN_FILES,
    FlashAttnFilesFacts,
)
from qvl_checks.attention.flash_attn_kernel_facts import (
    ATTENTION_FLASH_ATTN_KERNEL,
    FlashAttnKernelFacts,
)
from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES
from qvl_doctor.facts import ProbeStatus, TargetFacts
from qvl_doctor.probe import Probe
from qvl_doctor.running.client import AgentClient

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}
EXTENSION = "flash_attn_2_cuda" + sysconfig.get_config_var("EXT_SUFFIX")

FAKE_TORCH = """
import ctypes, os, types
__version__ = "2.8.0+cu128"
for name in ("libc10.so",):
    path = os.path.join(os.path.dirname(__file__), "lib", name)
    if os.path.exists(path):
        ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
backends = types.SimpleNamespace(cuda=types.SimpleNamespace(is_built=lambda: True))
cuda = types.SimpleNamespace(device_count=lambda: 0)
"""
FAKE_FLASH = """
__version__ = "2.8.3"
import flash_attn_2_cuda
def flash_attn_func(q, k, v, causal=False): ...
def flash_attn_varlen_func(q, k, v, a, b, c, d, causal=False, deterministic=False): ...
"""


def compile_library(path: Path, source: str, *flags: str) -> None:
    """A shared library from C source, by the compiler that every build machine has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source)
    subprocess.run(
        ["cc", "-shared", "-fPIC", str(code), "-o", str(path), *flags], check=True, timeout=60
    )
    code.unlink()


def fat_binary(*entries: tuple[int, int]) -> bytes:
    """A container of (kind, architecture) entries as nvcc lays it out, payloads of noise."""
    body = b""
    for kind, architecture in entries:
        payload = b"\xba" * 40
        fields = (kind, 0x101, 64, len(payload), 0, 0, 0, 0, architecture, 0)
        header = struct.pack("<HHIQIIHHIQ", *fields)
        body += header.ljust(64, b"\0") + payload
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


class Stack:
    """A virtual environment with a torch and a flash-attn made by hand."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        self.site_packages = next((folder / "lib").glob("python3*/site-packages"))

    def write(self, path: str, text: str) -> Path:
        file = self.site_packages / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def torch(self, *exports: str, version: str = "2.8.0+cu128") -> None:
        """A torch whose libc10.so exports these symbols."""
        self.write("torch/__init__.py", FAKE_TORCH.replace("2.8.0+cu128", version))
        self.write(
            f"torch-{version}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
        )
        functions = "\n".join(f"void {name}(void) {{}}" for name in exports)
        compile_library(self.site_packages / "torch" / "lib" / "libc10.so", functions)

    def flash(
        self, *needs: str, fat: bytes = b"", url: str = "", flags: tuple[str, ...] = ()
    ) -> None:
        """A flash-attn whose extension calls these symbols."""
        self.write("flash_attn/__init__.py", FAKE_FLASH)
        info = "flash_attn-2.8.3.dist-info"
        self.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: flash-attn\nVersion: 2.8.3\n")
        if url:
            self.write(f"{info}/direct_url.json", msgspec.json.encode({"url": url}).decode())
        declared = "\n".join(f"void {name}(void);" for name in needs)
        called = " ".join(f"{name}();" for name in needs)
        code = ""
        if fat:
            numbers = ",".join(map(str, fat))
            code = (
                '__attribute__((section(".nv_fatbin"), used, aligned(8))) '
                f"const unsigned char fat[] = {{{numbers}}};"
            )
        compile_library(
            self.site_packages / EXTENSION,
            f"{declared}\n{code}\nvoid *PyInit_flash_attn_2_cuda(void) {{ {called} return 0; }}",
            *flags,
        )

    def record(self, python: str, probe: Probe, request: dict[str, Any]) -> Any:
        client = AgentClient(python, ROOTS, dict(os.environ))
        try:
            for name in probe.imports:
                state = client.import_module(name, 60)
                assert state.status is ProbeStatus.OK, state.reason
            record = client.run(probe.entry, request, probe.budget_s)
        finally:
            client.close()
        assert record.status is ProbeStatus.OK, record.reason
        return record.data

    def files(self) -> FlashAttnFilesFacts:
        packages = self.record(self.python, VERSIONS_PACKAGES, {})
        request = {"inputs": {VERSIONS_PACKAGES.id: packages}}
        data = self.record(sys.executable, ATTENTION_FLASH_ATTN_FILES, request)
        return msgspec.convert(data, FlashAttnFilesFacts)

    def kernel(self) -> FlashAttnKernelFacts:
        return msgspec.convert(
            self.record(self.python, ATTENTION_FLASH_ATTN_KERNEL, {}), FlashAttnKernelFacts
        )


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A fresh one."""
    return Stack(tmp_path / "environment")


@pytest.fixture
def library() -> Any:
    """The compiler of shared libraries."""
    return compile_library


@pytest.fixture
def fat() -> Any:
    """The builder of fat binaries."""
    return fat_binary


@pytest.fixture
def target() -> TargetFacts:
    """An ordinary interpreter with pip."""
    return TargetFacts(
        python="/home/user/venv/bin/python",
        chosen_because="test",
        version="3.12.3",
        implementation="CPython",
        platform="linux",
        machine="x86_64",
        has_pip=True,
    )
