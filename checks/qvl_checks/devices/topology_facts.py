"""How the GPUs are connected: links, bridges between them, and what redirects their transfers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class PciLink(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a PCIe link, from sysfs; None: not readable."""

    width: int | None = None
    width_max: int | None = None
    gt_per_s: float | None = None
    """Gigatransfers per second; 8 for generation 3, 32 for 5."""
    gt_per_s_max: float | None = None


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    """A PCIe port above a card."""

    address: str
    acs_redirects: bool | None = None
    """Whether access control sends transfers between cards up to the root, where an IOMMU may
    translate them; None: not readable (it takes root) or the port has no such control."""


class CardPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One card in the machine, in NVML's order."""

    index: int
    uuid: str | None = None
    address: str | None = None
    """On the PCI bus, as sysfs writes it: ``0000:3b:00.0``."""
    numa_node: int | None = None
    nvlinks: int | None = None
    """NVLinks that are up."""
    iommu_group_type: str | None = None
    """``identity`` (transfers pass unchanged), ``DMA`` or ``DMA-FQ`` (they are translated)."""
    bridges: tuple[Bridge, ...] = ()
    """From the root down to the one just above the card; empty in most virtual machines."""
    link: PciLink | None = None
    slot: PciLink | None = None
    """The other end: the port just above."""
    unread: dict[str, str] = {}


class CardPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two cards, in NVML's order; what the driver says, which no copy has verified."""

    first: int
    second: int
    path: str | None = None
    """The nearest thing that both hang from: ``one PCIe switch``, ``host bridge`` ..."""
    read: str | None = None
    """``ok``, or why the driver offers no direct reading."""
    write: str | None = None
    nvlink: str | None = None
    unread: dict[str, str] = {}


class TopologyFacts(Facts):
    """Cards, pairs, and the settings of the machine that decide about direct transfers."""

    probe: ClassVar[str] = "devices.topology"
    nvml_reason: str = ""
    """Why the driver told nothing."""
    cards: tuple[CardPlace, ...] = ()
    pairs: tuple[CardPair, ...] = ()
    iommus: tuple[str, ...] | None = None
    """Those that the kernel uses."""
    kernel_arguments: tuple[str, ...] | None = None
    """Those about IOMMU, ACS and PCI."""
    driver_parameters: dict[str, str] | None = None
    """Of the NVIDIA kernel module, those about peer transfers."""
    open_kernel_module: bool | None = None
    unread: dict[str, str] = {}

    def card(self, uuid: str | None) -> CardPlace | None:
        """The card with this identifier, as torch or NVML writes it."""
        bare = (uuid or "").removeprefix("GPU-")
        for card in self.cards:
            if bare and card.uuid and card.uuid.removeprefix("GPU-") == bare:
                return card
        return None

    def pair(self, one: CardPlace, other: CardPlace) -> CardPair | None:
        """What is between two cards."""
        wanted = {one.index, other.index}
        return next((pair for pair in self.pairs if {pair.first, pair.second} == wanted), None)


DEVICES_TOPOLOGY = Probe(
    id="devices.topology",
    title="looks how the GPUs are connected",
    facts=TopologyFacts,
    entry="qvl_checks.devices.topology_probe:run",
    budget_s=20,
    where="doctor",
)
