"""What the driver says about the GPUs, through NVML; runs in a child of the doctor's interpreter.

NVML needs neither CUDA nor torch, and takes no memory on the card. It sees every card of the
machine, whatever CUDA_VISIBLE_DEVICES says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from qvl_checks.devices.throttling import names_of
from qvl_checks.host.guarded import Guarded, reason_of


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Every device and every field on its own; what cannot be read is None with a reason."""
    try:
        import pynvml as nvml
    except ImportError as error:
        return {"available": False, "reason": reason_of(error)}
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return {"available": False, "reason": reason_of(error)}
    try:
        return _machine(nvml)
    finally:
        nvml.nvmlShutdown()


def _machine(nvml: Any) -> dict[str, Any]:
    machine = Guarded()
    machine.read("driver_version", lambda: _text(nvml.nvmlSystemGetDriverVersion()))
    machine.read("cuda_version", lambda: _cuda_version(nvml.nvmlSystemGetCudaDriverVersion_v2()))
    count = machine.read("device_count", nvml.nvmlDeviceGetCount)
    devices = [_device(nvml, index) for index in range(count or 0)]
    return {**machine.row(), "available": True, "devices": devices}


def _device(nvml: Any, index: int) -> dict[str, Any]:
    device = Guarded()
    handle = device.read("handle", lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    del device.fields["handle"]
    if handle is None:
        return {**device.row(), "index": index}
    for name, get in _fields(nvml, handle).items():
        device.read(name, get)
    return {**device.row(), "index": index}


def _fields(nvml: Any, handle: Any) -> dict[str, Callable[[], Any]]:
    return {
        "name": lambda: _text(nvml.nvmlDeviceGetName(handle)),
        "uuid": lambda: _text(nvml.nvmlDeviceGetUUID(handle)),
        "pci_bus_id": lambda: _text(nvml.nvmlDeviceGetPciInfo(handle).busId),
        "total_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total,
        "used_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
        "free_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).free,
        "reserved_bytes": lambda: (
            nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2).reserved
        ),
        "capability": lambda: list(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "power_watts": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
        "power_limit_watts": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
        "power_limit_default_watts": lambda: (
            nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) / 1000
        ),
        "throttle_reasons": lambda: names_of(
            nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
        ),
        "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "sm_clock_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
        "utilization_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        "ecc_enabled": lambda: bool(nvml.nvmlDeviceGetEccMode(handle)[0]),
        "ecc_uncorrected_errors": lambda: nvml.nvmlDeviceGetTotalEccErrors(
            handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
        ),
        "ecc_uncorrected_errors_ever": lambda: nvml.nvmlDeviceGetTotalEccErrors(
            handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_AGGREGATE_ECC
        ),
        "rows_remapped": lambda: int(nvml.nvmlDeviceGetRemappedRows(handle)[1]),
        "row_remap_pending": lambda: bool(nvml.nvmlDeviceGetRemappedRows(handle)[2]),
        "row_remap_failed": lambda: bool(nvml.nvmlDeviceGetRemappedRows(handle)[3]),
        "pages_retired": lambda: _pages_retired(nvml, handle),
        "page_retirement_pending": lambda: bool(
            nvml.nvmlDeviceGetRetiredPagesPendingStatus(handle)
        ),
        "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
        "pcie_generation_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(handle),
        "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
        "pcie_width_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle),
        "mig_enabled": lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0]),
        "compute_mode": lambda: nvml.nvmlDeviceGetComputeMode(handle),
        "processes": lambda: _processes(nvml, handle),
    }


def _pages_retired(nvml: Any, handle: Any) -> int:
    cause = nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR
    return len(nvml.nvmlDeviceGetRetiredPages(handle, cause))


def _processes(nvml: Any, handle: Any) -> list[dict[str, Any]]:
    """Who holds memory, largest first; a container may see other containers' as bare numbers."""
    found = {}
    for get in (
        nvml.nvmlDeviceGetComputeRunningProcesses,
        nvml.nvmlDeviceGetGraphicsRunningProcesses,
    ):
        for process in get(handle):
            if process.pid != os.getpid():
                found[process.pid] = process.usedGpuMemory
    rows = [
        {"pid": pid, "used_bytes": used, "name": _process_name(nvml, pid)}
        for pid, used in found.items()
    ]
    return sorted(rows, key=lambda row: (-(row["used_bytes"] or 0), row["pid"]))


def _process_name(nvml: Any, pid: int) -> str | None:
    """The program's file name, without its folder and arguments."""
    try:
        words = _text(nvml.nvmlSystemGetProcessName(pid)).split()
    except nvml.NVMLError:
        return None
    return os.path.basename(words[0]) if words else None


def _cuda_version(number: int) -> str:
    """12080 -> "12.8"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _text(value: Any) -> str:
    """Old bindings return bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
