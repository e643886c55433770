"""The driver's facts: with no driver, with a card that answers half of the questions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import qvl_checks
from qvl_checks.devices import nvml_probe
from qvl_checks.devices.nvml_facts import DEVICES_NVML, NvmlFacts
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}


class NVMLError(Exception):
    """What the library raises."""


def refuse(*arguments: Any, **options: Any) -> Any:
    raise NVMLError("Not Supported")


class Library(SimpleNamespace):
    """A driver with one healthy and one half-dead card; whatever is not defined is refused."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_") or name.startswith("nvmlMemory"):
            return 0
        return refuse


def library(**functions: Any) -> Library:
    return Library(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: b"535.104.05",
        nvmlSystemGetCudaDriverVersion_v2=lambda: 12020,
        **functions,
    )


def healthy(handle: int, **_: Any) -> Any:
    if handle == 1:
        raise NVMLError("GPU is lost")
    return SimpleNamespace(total=1000, used=400, free=600)


def facts(monkeypatch: pytest.MonkeyPatch, driver: Library) -> NvmlFacts:
    monkeypatch.setitem(sys.modules, "pynvml", driver)  # type: ignore[arg-type]
    return msgspec.convert(nvml_probe.run({}), NvmlFacts)


def test_the_real_probe_ends_well_with_or_without_a_driver() -> None:
    client = AgentClient(sys.executable, ROOTS)
    try:
        record = client.run(DEVICES_NVML.entry, {}, DEVICES_NVML.budget_s)
    finally:
        client.close()
    assert record.status is ProbeStatus.OK, record.reason
    nvml = msgspec.convert(record.data, NvmlFacts)
    assert nvml.available or nvml.reason


def test_a_field_that_is_refused_leaves_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = library(
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: "A card",
        nvmlDeviceGetMemoryInfo=healthy,
        nvmlDeviceGetCudaComputeCapability=lambda handle: (8, 6),
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x44,
    )
    nvml = facts(monkeypatch, driver)
    assert (nvml.driver_version, nvml.cuda_version, nvml.device_count) == ("535.104.05", "12.2", 2)
    first, second = nvml.devices
    assert (first.total_bytes, first.free_bytes, first.capability) == (1000, 600, (8, 6))
    assert first.throttle_reasons == ("software power cap", "hardware thermal slowdown")
    assert first.power_watts is None and first.unread["power_watts"] == "NVMLError: Not Supported"
    assert (second.name, second.total_bytes) == ("A card", None)
    assert second.unread["total_bytes"] == "NVMLError: GPU is lost"


def test_counted_errors_and_limits_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = library(
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEccErrors=lambda handle, kind, counter: 7,
        nvmlDeviceGetRemappedRows=lambda handle: (1, 2, 1, 0),
        nvmlDeviceGetRetiredPages=lambda handle, cause: [4096, 8192],
        nvmlDeviceGetPowerManagementDefaultLimit=lambda handle: 700_000,
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: 1980,
    )
    [card] = facts(monkeypatch, driver).devices
    assert (card.ecc_uncorrected_errors, card.ecc_uncorrected_errors_ever) == (7, 7)
    assert (card.rows_remapped, card.row_remap_pending, card.row_remap_failed) == (2, True, False)
    assert (card.pages_retired, card.page_retirement_pending) == (2, None)
    assert (card.power_limit_default_watts, card.sm_clock_max_mhz) == (700.0, 1980)
    assert card.unread["page_retirement_pending"] == "NVMLError: Not Supported"


def test_our_own_process_is_not_a_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [
        SimpleNamespace(pid=os.getpid(), usedGpuMemory=5),
        SimpleNamespace(pid=10, usedGpuMemory=None),
        SimpleNamespace(pid=11, usedGpuMemory=700),
    ]
    driver = library(
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: tenants,
        nvmlDeviceGetGraphicsRunningProcesses=lambda handle: [],
        nvmlSystemGetProcessName=lambda pid: "/usr/bin/python3 serve.py --key=1",
    )
    processes = facts(monkeypatch, driver).devices[0].processes or ()
    assert [(item.pid, item.used_bytes, item.name) for item in processes] == [
        (11, 700, "python3"),
        (10, None, "python3"),
    ]


def test_a_driver_that_does_not_start_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Library(nvmlInit=refuse)
    nvml = facts(monkeypatch, driver)
    assert not nvml.available
    assert nvml.reason == "NVMLError: Not Supported"
