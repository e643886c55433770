"""GPUs that lie: honest ones pass in bounded time and memory, planted lies are caught."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import qvl_checks
from qvl_checks.attention.gqa_math_fallback import gqa_math_fallback
from qvl_checks.devices.bf16_unsupported import bf16_unsupported
from qvl_checks.devices.collective_facts import COLLECTIVE, CollectiveRun
from qvl_checks.devices.consistency_facts import CONSISTENCY, ConsistencyFacts, GpuConsistency
from qvl_checks.devices.copy_ways import WAYS
from qvl_checks.devices.gpu_hardware_errors import gpu_hardware_errors
from qvl_checks.devices.gpu_inconsistent import gpu_inconsistent
from qvl_checks.devices.gpu_throttled import gpu_throttled
from qvl_checks.devices.kernel_log_facts import KERNEL_LOG
from qvl_checks.devices.kernel_speed_facts import KERNEL_SPEED
from qvl_checks.devices.load_facts import LOAD, LoadFacts
from qvl_checks.devices.nccl_peer_hang import nccl_peer_hang
from qvl_checks.devices.nvml_facts import DEVICES_NVML
from qvl_checks.devices.pcie_link_narrow import pcie_link_narrow
from qvl_checks.devices.peer_copy_corruption import peer_copy_corruption
from qvl_checks.devices.peer_copy_facts import PEER_COPY, PeerCopyFacts
from qvl_checks.devices.slow_conv3d import slow_conv3d
from qvl_checks.devices.split_model_differs import split_model_differs
from qvl_checks.devices.split_model_facts import SPLIT_MODEL
from qvl_checks.devices.tensors_on_different_devices import tensors_on_different_devices
from qvl_checks.devices.topology_facts import DEVICES_TOPOLOGY
from qvl_checks.devices.torch_facts import DEVICES_TORCH, TorchDevice, TorchFacts
from qvl_checks.devices.visible_devices_set_late import visible_devices_set_late
from qvl_checks.host.system_facts import HOST_SYSTEM
from qvl_checks.models.catalogue import resolve
from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES
from qvl_doctor.facts import ProbeStatus, Record, WorkloadFacts
from qvl_doctor.findings import Confidence, Finding, Outcome
from qvl_doctor.judge import find
from qvl_doctor.probe import Level
from qvl_doctor.registry import Registry
from qvl_doctor.running.client import AgentClient
from qvl_doctor.running.examine import Examination
from qvl_doctor.selection import probes_for
from qvl_doctor.target import Choice

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
Examined = tuple[Record, int]
CHECKS = {
    check.id: check
    for check in (
        bf16_unsupported,
        gpu_hardware_errors,
        gpu_inconsistent,
        gpu_throttled,
        gqa_math_fallback,
        nccl_peer_hang,
        pcie_link_narrow,
        peer_copy_corruption,
        slow_conv3d,
        split_model_differs,
        tensors_on_different_devices,
        visible_devices_set_late,
    )
}
PROBES = (
    COLLECTIVE,
    CONSISTENCY,
    DEVICES_NVML,
    DEVICES_TOPOLOGY,
    DEVICES_TORCH,
    HOST_SYSTEM,
    KERNEL_LOG,
    KERNEL_SPEED,
    LOAD,
    PEER_COPY,
    SPLIT_MODEL,
    VERSIONS_PACKAGES,
)
ROOTS = {
    "qvl_checks": str(Path(next(iter(qvl_checks.__path__)))),
    "devices_on_gpus": str(HERE / "devices_on_gpus.py"),
}
GIB = 2**30
MEASURING = (
    "devices.collective",
    "devices.consistency",
    "devices.kernel-speed",
    "devices.load",
    "devices.peer-copy",
    "devices.split-model",
)
STANDARD_S = 25.0
STANDARD_BYTES = 2 * GIB
TWO = TorchFacts(
    cuda_built=True,
    device_count=2,
    devices=(TorchDevice(index=0, name="A card"), TorchDevice(index=1, name="A card")),
)


@pytest.fixture(scope="module", autouse=True)
def two_gpus() -> None:
    """Counted without starting CUDA in this process."""
    torch = pytest.importorskip("torch")
    if torch.cuda.device_count() < 2:
        pytest.skip("needs 2 CUDA devices")


class MemoryWatch:
    """The most that was used of any card while this was open, above what was used before."""

    def __init__(self) -> None:
        self._nvml = pytest.importorskip("pynvml")
        self._nvml.nvmlInit()
        count = self._nvml.nvmlDeviceGetCount()
        self._cards = [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._before = self._used()
        self.most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _used(self) -> list[int]:
        return [self._nvml.nvmlDeviceGetMemoryInfo(card).used for card in self._cards]

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            taken = [now - before for now, before in zip(self._used(), self._before, strict=True)]
            self.most = max(self.most, *taken)

    def close(self) -> None:
        """No more readings."""
        self._over.set()
        self._thread.join(5)


@pytest.fixture(scope="module")
def examined() -> Examined:
    """The whole topic at the standard level, and the memory that it took of a card."""
    examination = Examination(
        choice=Choice(sys.executable, "it runs the tests"),
        probes={probe.id: probe for probe in PROBES},
        wanted=probes_for(CHECKS.values()),
        roots=ROOTS,
        model=resolve("Qwen2.5-VL-7B"),
        workload=WorkloadFacts(),
        level=Level.STANDARD,
    )
    with contextlib.closing(MemoryWatch()) as watch:
        record = examination.run()
    return record, watch.most


def finding(examined: Examined, rule_id: str) -> Finding:
    found = find(CHECKS[rule_id], examined[0], Registry())
    print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    return found


@pytest.mark.parametrize(
    "rule_id",
    [
        "attention.gqa-math-fallback",
        "devices.bf16-unsupported",
        "devices.gpu-inconsistent",
        "devices.peer-copy-corruption",
        "devices.slow-conv3d",
        "devices.split-model-differs",
        "devices.tensors-on-different-devices",
        "devices.visible-devices-set-late",
    ],
)
def test_healthy_cards_pass_by_measurement(examined: Examined, rule_id: str) -> None:
    found = finding(examined, rule_id)
    assert found.outcome is Outcome.PASS, found.cause
    assert found.confidence is Confidence.MEASURED


@pytest.mark.parametrize(
    "rule_id",
    ["devices.gpu-hardware-errors", "devices.gpu-throttled", "devices.pcie-link-narrow"],
)
def test_health_is_judged_or_the_reason_is_told(examined: Examined, rule_id: str) -> None:
    found = finding(examined, rule_id)
    assert found.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.INCONCLUSIVE)
    assert found.cause or found.title


def test_every_pair_is_compared_in_every_way(examined: Examined) -> None:
    facts = msgspec.convert(examined[0].probes["devices.peer-copy"].data, PeerCopyFacts)
    assert facts.device_count is not None
    assert len(facts.pairs) == facts.device_count * (facts.device_count - 1)
    for pair in facts.pairs:
        assert pair.status == "ok", pair.reason
        assert pair.peer_access is not None
        assert pair.gb_per_s is not None and pair.gb_per_s > 0.5
        assert all(set(size.by_way) == set(WAYS) for size in pair.sizes)
        assert pair.compared_bytes > 100 * 2**20


def test_the_load_is_a_load(examined: Examined) -> None:
    load = msgspec.convert(examined[0].probes["devices.load"].data, LoadFacts)
    assert not load.reason
    for gpu in load.gpus:
        assert gpu.tflops is not None and gpu.tflops > 5
        assert gpu.host_gb_per_s is not None and gpu.host_gb_per_s > 0.5
        assert gpu.readings > 10
        assert gpu.sm_clock_mhz or gpu.unread


def test_the_standard_level_keeps_to_its_time(examined: Examined) -> None:
    probes = examined[0].probes
    times = {name: probes[name].seconds for name in MEASURING if name in probes}
    print(times)
    assert all(probes[name].status in (ProbeStatus.OK, ProbeStatus.NOT_RUN) for name in times), (
        probes
    )
    assert sum(times.values()) <= STANDARD_S, times


def test_the_standard_level_keeps_to_its_memory(examined: Examined) -> None:
    print(f"{examined[1] / GIB:.2f} GiB")
    assert 0 < examined[1] <= STANDARD_BYTES


Planted = Callable[..., Any]


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    """Runs a function of ``devices_on_gpus`` in a fork that imported torch."""
    client = AgentClient(sys.executable, ROOTS)
    imported = client.import_module("torch", 120)
    assert imported.status is ProbeStatus.OK, imported.reason

    def run(name: str) -> Any:
        request = {"level": "standard", "workload": {"cap_bytes": None}, "inputs": {}}
        record = client.run(f"devices_on_gpus:{name}", request, 120)
        assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
        return record.data

    yield run
    client.close()


def copies_judged(rows: Any) -> Any:
    return peer_copy_corruption.judge(
        copies=msgspec.convert({"device_count": 2, "pairs": rows}, PeerCopyFacts),
        torch=TWO,
        topology=None,
        nvml=None,
        host=None,
    )


def test_a_damaged_copy_between_two_real_cards_is_caught(planted: Planted) -> None:
    judgement = copies_judged(planted("damaged_copies"))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title == "Copies cuda:0 → cuda:1 arrive damaged"
    damage = judgement.evidence["damage"]
    assert {row["way"] for row in damage} == {"to"}
    large = [row for row in damage if row["tensor bytes"] == 16 * 2**20]
    assert all(row["first offset"] == 8 * 2**20 for row in large) and large
    assert {row["instead"] for row in large} == {"zeros"}
    assert any(fix.verified for fix in judgement.fixes)


def test_a_copy_that_never_ends_is_killed_and_the_next_pair_compared(planted: Planted) -> None:
    rows = planted("hanging_copies")["pairs"]
    assert [row["status"] for row in rows] == ["timed_out", "ok"]
    assert copies_judged(rows).outcome is Outcome.FAIL


def test_one_flipped_bit_in_one_of_twenty_runs_is_caught(planted: Planted) -> None:
    gpu = msgspec.convert(
        {"index": 0, "status": "ok", "operations": planted("flipped_bit")}, GpuConsistency
    )
    judgement = gpu_inconsistent.judge(
        consistency=ConsistencyFacts(gpus=(gpu,)), torch=TWO, nvml=None, host=None
    )
    assert judgement.outcome is Outcome.FAIL
    assert "1 of 20 runs" in judgement.cause and "matmul bfloat16" in judgement.cause


def test_nccl_adds_up_without_peer_transfers_too(planted: Planted) -> None:
    run = msgspec.convert(planted("sum_without_peer_transfers"), CollectiveRun)
    assert run.right, run.reason
