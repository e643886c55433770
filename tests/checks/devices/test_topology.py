"""How cards are connected, read from trees of sysfs and from a driver."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from qvl_checks.devices import pci, topology_probe
from qvl_checks.devices.topology_facts import TopologyFacts

CARD = "0000:3b:00.0"
BRIDGES = ("0000:3a:00.0", "0000:3a:01.0")


def acs(control: int) -> bytes:
    """4 KiB of configuration: an empty capability, then access control with these bits."""
    config = bytearray(4096)
    config[0x100:0x104] = (0x0001 | 1 << 16 | 0x148 << 20).to_bytes(4, "little")
    config[0x148:0x14C] = (0x000D | 1 << 16).to_bytes(4, "little")
    config[0x14E:0x150] = control.to_bytes(2, "little")
    return bytes(config)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One card below a port and a switch, whose transfers an IOMMU translates."""
    folder = tmp_path / "sys/devices/pci0000:3a" / BRIDGES[0] / BRIDGES[1] / CARD
    folder.mkdir(parents=True)
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    (tmp_path / "sys/bus/pci/devices" / CARD).symlink_to(folder)
    (folder / "current_link_width").write_text("8\n")
    (folder / "max_link_width").write_text("16\n")
    (folder / "current_link_speed").write_text("16.0 GT/s PCIe\n")
    (folder / "max_link_speed").write_text("Unknown\n")
    (folder / "numa_node").write_text("1\n")
    (folder.parent / "max_link_width").write_text("16\n")
    (folder.parent / "config").write_bytes(acs(0x1D))
    (folder.parent.parent / "config").write_bytes(acs(0x1D)[:64])
    group = tmp_path / "sys/kernel/iommu_groups/7"
    group.mkdir(parents=True)
    (group / "type").write_text("DMA-FQ\n")
    (folder / "iommu_group").symlink_to(group)
    (tmp_path / "sys/class/iommu/dmar0").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/cmdline").write_text("root=/dev/sda1 intel_iommu=on quiet\n")
    (tmp_path / "proc/driver/nvidia/params").write_text(
        'EnableMSI: 1\nRegistryDwords: "ForceP2P=17;Secret=2"\n'
    )
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: Open Kernel Module 580\n")
    return tmp_path


class Refused(Exception):
    """What the library raises."""


class Library(SimpleNamespace):
    """A driver with two cards, of which the second does not answer."""

    NVMLError = Refused

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        if handle:
            raise Refused("GPU is lost")
        return "GPU-u0"

    def nvmlDeviceGetPciInfo(self, handle: int) -> Any:
        return SimpleNamespace(busId=b"00000000:3B:00.0" if not handle else b"00000000:99:00.0")

    def nvmlDeviceGetNvLinkState(self, handle: int, link: int) -> int:
        if handle or link >= 4:
            raise Refused("Not Supported")
        return 1

    def nvmlDeviceGetTopologyCommonAncestor(self, one: int, other: int) -> int:
        return 30

    def nvmlDeviceGetP2PStatus(self, one: int, other: int, kind: int) -> int:
        if kind == 2:
            raise Refused("Invalid Argument")
        return kind and 4


def facts(root: Path) -> TopologyFacts:
    data = {**topology_probe.machine(root), **topology_probe.connections(Library(), root)}
    return msgspec.convert(data, TopologyFacts)


def test_the_machine_tells_what_redirects(root: Path) -> None:
    topology = facts(root)
    assert topology.iommus == ("dmar0",)
    assert topology.kernel_arguments == ("intel_iommu=on",)
    assert topology.driver_parameters == {"RegistryDwords": '"ForceP2P=17;Secret=2"'}
    assert topology.open_kernel_module is True


def test_a_card_tells_its_place(root: Path) -> None:
    card = facts(root).cards[0]
    assert (card.address, card.numa_node, card.nvlinks) == (CARD, 1, 4)
    assert card.iommu_group_type == "DMA-FQ"
    assert card.link is not None and card.slot is not None
    assert (card.link.width, card.link.width_max, card.link.gt_per_s) == (8, 16, 16.0)
    assert (card.link.gt_per_s_max, card.slot.width_max) == (None, 16)
    assert [(bridge.address, bridge.acs_redirects) for bridge in card.bridges] == [
        (BRIDGES[0], None),
        (BRIDGES[1], True),
    ]
    assert "root only" in card.unread[f"{BRIDGES[0]} acs_redirects"]


def test_a_card_that_does_not_answer_keeps_its_row(root: Path) -> None:
    card = facts(root).cards[1]
    assert (card.index, card.uuid, card.nvlinks) == (1, None, 0)
    assert card.unread["uuid"] == "Refused: GPU is lost"
    assert card.link is None and "folder" in card.unread


def test_a_pair_tells_path_and_promises(root: Path) -> None:
    topology = facts(root)
    [pair] = topology.pairs
    assert (pair.path, pair.read) == ("host bridge", "ok")
    assert pair.write == "disabled in the driver's settings"
    assert (pair.nvlink, pair.unread["nvlink"]) == (None, "Refused: Invalid Argument")
    first = topology.card("u0")
    assert first is topology.card("GPU-u0") is topology.cards[0]
    assert topology.card(None) is None
    assert topology.pair(topology.cards[1], topology.cards[0]) is pair


@pytest.mark.parametrize(("control", "redirects"), [(0x1D, True), (0x11, False), (0, False)])
def test_access_control_is_read_from_its_bit(tmp_path: Path, control: int, redirects: bool) -> None:
    (tmp_path / "config").write_bytes(acs(control))
    assert pci.acs_redirects(tmp_path) is redirects


def test_a_port_without_access_control(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(bytes(4096))
    assert pci.acs_redirects(tmp_path) is None
    endless = bytearray(4096)
    endless[0x100:0x104] = (0x0001 | 0x100 << 20).to_bytes(4, "little")
    (tmp_path / "config").write_bytes(endless)
    assert pci.acs_redirects(tmp_path) is None


def test_this_machine_is_read_without_an_error() -> None:
    topology = msgspec.convert(topology_probe.run({}), TopologyFacts)
    assert topology.nvml_reason or topology.cards
    assert os.name != "posix" or topology.kernel_arguments is not None or topology.unread
