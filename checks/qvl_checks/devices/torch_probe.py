"""What torch is, what it was built for, and what it can see; runs in a fork that imported it."""

from __future__ import annotations

import importlib
import os
import select
import signal
from typing import Any

from qvl_checks.host.guarded import Guarded, reason_of

SECOND_CONTEXT_S = 20.0
"""How long a second process may take to open its CUDA context."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """The build first, then the devices; a CUDA that does not start is recorded with its text."""
    import torch

    build = Guarded()
    build.read("version", lambda: str(torch.__version__))
    build.read("file", lambda: torch.__file__)
    build.read("cuda", lambda: torch.version.cuda)
    build.read("hip", lambda: torch.version.hip)
    build.read("cudnn", torch.backends.cudnn.version)
    build.read("cxx11_abi", lambda: bool(torch._C._GLIBCXX_USE_CXX11_ABI))
    build.read("cuda_built", torch.backends.cuda.is_built)
    build.read("mps_available", torch.backends.mps.is_available)
    build.read("numpy_bridge", lambda: _numpy_bridge(torch))
    build.read("numpy_version", _numpy_version)
    # This process is a fork of the one that imported; CUDA there makes CUDA here impossible.
    build.read("cuda_started_by_imports", lambda: bool(torch.cuda._is_in_bad_fork()))
    # Counting before the context exists keeps the question "how much does one cost" open.
    build.read("device_count", torch.cuda.device_count)
    facts = {**build.row(), "devices": [], "cuda_error": None, "arch_list": []}
    if not torch.backends.cuda.is_built() and not torch.version.hip:
        return facts
    facts["arch_list"] = _arch_list(torch)
    second = _SecondProcess(torch) if build.fields["device_count"] else None
    try:
        torch.cuda.init()
        facts["devices"] = [_device(torch, index) for index in range(torch.cuda.device_count())]
        facts["context_bytes"] = second.context_bytes() if second else None
    except Exception as error:
        facts["cuda_error"] = reason_of(error)
    finally:
        if second:
            second.end()
    return facts


def _numpy_bridge(torch: Any) -> bool:
    """Whether torch can take an array; one built for NumPy 1 refuses under NumPy 2."""
    numpy = importlib.import_module("numpy")
    torch.from_numpy(numpy.zeros(1, dtype=numpy.float32))
    return True


def _numpy_version() -> str:
    return str(importlib.import_module("numpy").__version__)


def _arch_list(torch: Any) -> list[str]:
    """``sm_80``, ``compute_90``, ...; what the kernels of this build were compiled for."""
    # get_arch_list() is empty where no device is available; the flags are a build fact.
    flags = torch._C._cuda_getArchFlags() if hasattr(torch._C, "_cuda_getArchFlags") else None
    return flags.split() if flags else list(torch.cuda.get_arch_list())


def _device(torch: Any, index: int) -> dict[str, Any]:
    device = Guarded()
    properties = device.read("properties", lambda: torch.cuda.get_device_properties(index))
    del device.fields["properties"]
    device.read("name", lambda: properties.name)
    device.read("uuid", lambda: str(properties.uuid))
    device.read("capability", lambda: list(torch.cuda.get_device_capability(index)))
    device.read("multiprocessors", lambda: properties.multi_processor_count)
    device.read("total_bytes", lambda: properties.total_memory)
    device.read("free_bytes", lambda: torch.cuda.mem_get_info(index)[0])
    device.read("bf16_native", lambda: bool(torch.version.hip) or _major(torch, index) >= 8)
    device.read("bf16_works", lambda: _bf16_works(torch, index))
    device.read("kernel_works", lambda: _kernel_works(torch, index))
    return {**device.row(), "index": index}


def _major(torch: Any, index: int) -> int:
    return int(torch.cuda.get_device_capability(index)[0])


def _kernel_works(torch: Any, index: int) -> bool:
    """One real kernel; raises with CUDA's text when the build holds none for this card."""
    ones = torch.ones(256, device=f"cuda:{index}")
    return bool((ones + ones).sum().item() == 512)


def _bf16_works(torch: Any, index: int) -> bool:
    ones = torch.ones(16, 16, device=f"cuda:{index}", dtype=torch.bfloat16)
    return bool((ones @ ones)[0, 0].item() == 16)


class _SecondProcess:
    """A fork that opens a context of its own on device 0, so that its cost shows as the difference
    of free memory before and after. Forked before this process touches CUDA."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        go_read, self._go = os.pipe()
        self._answer, answer_write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._go)
                if os.read(go_read, 1):
                    torch.ones(1, device="cuda:0").item()
                    os.write(answer_write, b"%d\n" % torch.cuda.memory_reserved(0))
                    os.read(go_read, 1)
            finally:
                os._exit(0)
        os.close(go_read)
        os.close(answer_write)

    def context_bytes(self) -> int | None:
        """Bytes that a process takes on device 0 before its first tensor; None: not measured."""
        before = self._torch.cuda.mem_get_info(0)[0]
        try:
            os.write(self._go, b"1")
        except BrokenPipeError:  # it has died
            return None
        if not select.select([self._answer], [], [], SECOND_CONTEXT_S)[0]:
            return None
        reserved = os.read(self._answer, 64)
        if not reserved.strip():
            return None
        taken = before - self._torch.cuda.mem_get_info(0)[0] - int(reserved)
        return taken if taken > 0 else None

    def end(self) -> None:
        """Nothing of it stays."""
        os.close(self._go)
        os.close(self._answer)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
