"""A PCIe link below what the card and its slot can do."""

from __future__ import annotations

from typing import Any, NamedTuple

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.identity import gpu_of, uuid_of
from qvl_checks.devices.load_facts import LoadFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.topology_facts import TopologyFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed


class Link(NamedTuple):
    """What is known of one card's link."""

    gpu: int
    name: str | None
    width: int | None
    """Lanes: under load where that was read, else at rest; a width is not lowered at rest."""
    width_possible: int | None
    """By card and slot together."""
    card_width: int | None
    generation: int | None
    """Under load only: at rest it is lowered to save power."""
    generation_possible: int | None
    host_gb_per_s: float | None

    @property
    def narrow(self) -> bool:
        """Fewer lanes than card and slot have."""
        return bool(self.width and self.width_possible and self.width < self.width_possible)

    @property
    def slow(self) -> bool:
        """An older generation than card and slot have, under load."""
        return bool(
            self.generation
            and self.generation_possible
            and self.generation < self.generation_possible
        )


@check("devices.pcie-link-narrow")
def pcie_link_narrow(
    torch: TorchFacts,
    load: LoadFacts | None,
    nvml: NvmlFacts | None,
    topology: TopologyFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """Lanes always, the generation only where it was read under load."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    links = [_link(device.index, torch, load, nvml, topology) for device in torch.devices]
    evidence = {"links": {f"cuda:{link.gpu}": _row(link) for link in links}}
    low = [link for link in links if link.narrow or link.slow]
    if low:
        link = low[0]
        has = f"{link.width} of {link.width_possible} PCIe lanes"
        if not link.narrow:
            has = f"PCIe {link.generation} where {link.generation_possible} is possible"
        return failed(
            f"GPU {link.gpu} ({link.name}) uses {has}",
            "Card and slot can do more than their link does, so weights load and tensors move "
            "between GPUs more slowly. A card that sits badly, a riser, a slot shared with a disk "
            "or a BIOS setting are the usual reasons.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    "Reseat the card or move it to a slot with all lanes, try it without a riser, "
                    "and let the BIOS choose the link speed; then run this check again."
                )
            ],
        )
    known = [link for link in links if link.width and link.width_possible]
    if not known:
        return inconclusive(
            "neither the driver nor the system shows the width of a GPU's PCIe link",
            evidence=evidence,
        )
    slots = [
        link for link in known if link.card_width and (link.width_possible or 0) < link.card_width
    ]
    note = "".join(
        f" GPU {link.gpu} has {link.card_width} lanes in a slot with {link.width_possible}."
        for link in slots
    )
    unloaded = (
        ""
        if all(link.generation for link in links)
        else (" Its generation was not read under load, so it is not judged.")
    )
    return passed(
        "every GPU uses all PCIe lanes that it and its slot have",
        f"{note}{unloaded}".strip(),
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _link(
    index: int,
    torch: TorchFacts,
    load: LoadFacts | None,
    nvml: NvmlFacts | None,
    topology: TopologyFacts | None,
) -> Link:
    name = next((device.name for device in torch.devices if device.index == index), None)
    loaded = load.gpu(index) if load is not None else None
    card = gpu_of(torch, nvml, index)
    place = topology.card(uuid_of(torch, index)) if topology is not None else None
    end = place.link if place is not None else None
    slot = place.slot if place is not None else None
    possible = [
        width
        for width in (
            card.pcie_width_max if card else None,
            slot.width_max if slot else None,
            end.width_max if end else None,
        )
        if width
    ]
    now = (loaded.pcie_width if loaded else None) or (card.pcie_width if card else None)
    return Link(
        gpu=index,
        name=name,
        width=now or (end.width if end else None),
        width_possible=min(possible, default=None),
        card_width=end.width_max if end else None,
        generation=loaded.pcie_generation if loaded else None,
        generation_possible=card.pcie_generation_max if card else None,
        host_gb_per_s=loaded.host_gb_per_s if loaded else None,
    )


def _row(link: Link) -> dict[str, Any]:
    return {
        "name": link.name,
        "lanes": link.width,
        "lanes possible": link.width_possible,
        "lanes of the card": link.card_width,
        "generation under load": link.generation,
        "generation possible": link.generation_possible,
        "GB/s from the host": link.host_gb_per_s,
    }
