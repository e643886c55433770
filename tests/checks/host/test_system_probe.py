"""The machine's facts: on this machine, on machines made of files, and on hardly any machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest

import qvl_checks
from qvl_checks.host import environment
from qvl_checks.host.cgroup import limits
from qvl_checks.host.system_facts import HOST_SYSTEM, HostFacts
from qvl_checks.host.system_probe import collect
from qvl_doctor.facts import ProbeRecord, ProbeStatus
from qvl_doctor.running.client import AgentClient, target_environment

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}
TARGET = os.environ.get("QVL_TEST_TARGET", sys.executable)


def run_probe(variables: dict[str, str] | None = None) -> ProbeRecord:
    client = AgentClient(TARGET, ROOTS, variables)
    try:
        return client.run(HOST_SYSTEM.entry, {}, HOST_SYSTEM.budget_s)
    finally:
        client.close()


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def facts_of(root: Path, variables: dict[str, str] | None = None) -> HostFacts:
    return msgspec.convert(collect(root, variables or {}), HostFacts)


def test_this_machine_is_described_from_inside_the_target() -> None:
    record = run_probe()
    assert record.status is ProbeStatus.OK, record.reason
    host = msgspec.convert(record.data, HostFacts)
    assert host.cpu_count == os.cpu_count()
    assert host.memory_total_bytes is not None and host.memory_total_bytes > 64 * 1024**2
    assert {disk.purpose for disk in host.disks} == {
        "working folder",
        "temporary files",
        "model cache",
    }
    assert all(disk.free_bytes is not None for disk in host.disks), host.disks


def test_without_home_and_path_it_still_answers() -> None:
    record = run_probe({"TMPDIR": "/nonexistent/folder"})
    assert record.status is ProbeStatus.OK, record.reason
    assert msgspec.convert(record.data, HostFacts).cpu_count == os.cpu_count()


def test_a_machine_without_proc_and_sys_keeps_its_row(tmp_path: Path) -> None:
    host = facts_of(tmp_path)
    assert host.cpu_count == os.cpu_count()
    assert host.cgroup is None and "cgroup" in host.unread
    assert host.nvidia_devices_on_bus is None and "nvidia_devices_on_bus" in host.unread
    assert host.memory_total_bytes is not None, "the system call answers where /proc does not"
    assert host.container is None and "container" not in host.unread


def test_a_container_with_a_card_and_an_active_iommu(tmp_path: Path) -> None:
    write(tmp_path, ".dockerenv", "")
    write(tmp_path, "proc/version", "Linux version 5.15.0-microsoft-standard-WSL2")
    write(tmp_path, "proc/cmdline", "quiet intel_iommu=on iommu=pt root=/dev/sda1")
    write(tmp_path, "sys/class/iommu/dmar0/name", "")
    write(tmp_path, "proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB\nSwapFree: 0 kB\n")
    for slot, vendor, kind in (
        ("0", "0x10de", "0x030200"),  # a compute card
        ("1", "0x10de", "0x040300"),  # its sound device
        ("2", "0x8086", "0x030000"),  # another maker's display
    ):
        write(tmp_path, f"sys/bus/pci/devices/{slot}/vendor", vendor + "\n")
        write(tmp_path, f"sys/bus/pci/devices/{slot}/class", kind + "\n")
    host = facts_of(tmp_path)
    assert host.container == "/.dockerenv exists"
    assert host.wsl is True
    assert host.iommu_kernel_arguments == ("intel_iommu=on", "iommu=pt")
    assert host.iommu_groups_active is True
    assert host.nvidia_devices_on_bus == 1
    assert (host.memory_total_bytes, host.memory_available_bytes) == (2048 * 1024, 1024 * 1024)


def test_cgroup_2_takes_the_narrowest_limit_on_the_way_up(tmp_path: Path) -> None:
    mount = "sys/fs/cgroup"
    write(tmp_path, "proc/self/cgroup", "0::/pod/job\n")
    write(tmp_path, f"{mount}/cgroup.controllers", "cpu memory")
    write(tmp_path, f"{mount}/pod/memory.max", "4096\n")
    write(tmp_path, f"{mount}/pod/cpu.max", "150000 100000\n")
    write(tmp_path, f"{mount}/pod/job/memory.max", "max\n")
    write(tmp_path, f"{mount}/pod/job/memory.current", "1024\n")
    write(tmp_path, f"{mount}/pod/job/cpu.max", "max 100000\n")
    assert limits(tmp_path) == {
        "version": 2,
        "memory_limit_bytes": 4096,
        "memory_used_bytes": 1024,
        "cpus": 1.5,
    }
    host = facts_of(tmp_path)
    assert host.usable_memory_bytes == 4096


def test_cgroup_1_with_and_without_limits(tmp_path: Path) -> None:
    mount = "sys/fs/cgroup"
    write(tmp_path, "proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
    write(tmp_path, f"{mount}/memory/memory.limit_in_bytes", "8192\n")
    write(tmp_path, f"{mount}/memory/memory.usage_in_bytes", "100\n")
    write(tmp_path, f"{mount}/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path, f"{mount}/cpu/cpu.cfs_period_us", "100000\n")
    assert limits(tmp_path) == {
        "version": 1,
        "memory_limit_bytes": 8192,
        "memory_used_bytes": 100,
        "cpus": None,
    }
    write(tmp_path, f"{mount}/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path, f"{mount}/cpu/cpu.cfs_quota_us", "50000\n")
    assert limits(tmp_path)["memory_limit_bytes"] is None
    assert limits(tmp_path)["cpus"] == 0.5


def test_only_allowed_variables_are_recorded() -> None:
    kept = environment.relevant(
        {
            "CUDA_VISIBLE_DEVICES": "0,1",
            "NCCL_P2P_DISABLE": "1",
            "AWS_REGION": "eu",
            "HOME": "/home/user",
            "HF_TOKEN": "hf_abcdefghijklmnopqrstuvwxyz",
        }
    )
    assert kept == {"CUDA_VISIBLE_DEVICES": "0,1", "NCCL_P2P_DISABLE": "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRANSFORMERS_TOKEN", "anything"),
        ("HF_ENDPOINT", "https://user:pass@mirror.example"),
        ("PYTHONPATH", "/opt/hf_abcdefghijklmnopqrstuvwxyz"),
        ("NCCL_DEBUG_FILE", '{"api_key": "x"}'),
        ("https_proxy", "http://proxy.example:3128"),
    ],
)
def test_what_could_be_a_secret_is_never_recorded(name: str, value: str) -> None:
    assert environment.relevant({name: value}) == {name: environment.WITHHELD}


def test_undecodable_values_become_valid_text() -> None:
    kept = environment.relevant({"PYTHONPATH": "/opt/\udcff"})
    kept["PYTHONPATH"].encode("utf-8")


def test_the_variables_that_the_doctor_sets_are_known() -> None:
    assert set(target_environment({})) == environment.SET_BY_THE_DOCTOR
    assert facts_of(Path("/")).environment_set_by_doctor == tuple(
        sorted(environment.SET_BY_THE_DOCTOR)
    )
