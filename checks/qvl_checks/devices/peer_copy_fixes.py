"""What cures damaged copies between GPUs, and what of it was seen to work."""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.devices.copy_ways import THROUGH_HOST
from qvl_checks.devices.peer_copy_facts import PeerCopyFacts
from qvl_checks.devices.topology_facts import TopologyFacts
from qvl_doctor.findings import Fix, Safety

DETOUR = """\
import accelerate.hooks

direct = accelerate.hooks.send_to_device


def through_the_host(tensors, device, *args, **kwargs):
    return direct(direct(tensors, "cpu"), device, *args, **kwargs)


accelerate.hooks.send_to_device = through_the_host  # before from_pretrained(device_map=...)
"""
MIB = 2**20


def peer_copy_fixes(copies: PeerCopyFacts, topology: TopologyFacts | None) -> Iterator[Fix]:
    """What was seen to work, what works at once, and what mends the machine."""
    detour = _detour(copies)
    one_gpu = Fix.edit(
        'model = AutoModelForImageTextToText.from_pretrained(path, device_map="cuda:0")',
        summary="keeps the model on one GPU, so that nothing is copied between GPUs",
    )
    yield from (detour, one_gpu) if detour.verified else (one_gpu, detour)
    yield from _machine_fixes(topology)
    yield Fix.advise(
        "NCCL_P2P_DISABLE=1 protects what NCCL moves (vLLM, torchrun), and nothing else: "
        "a device map does not use NCCL."
    )


def _detour(copies: PeerCopyFacts) -> Fix:
    sizes = [size for pair in copies.pairs for size in pair.sizes if THROUGH_HOST in size.by_way]
    compared = sum(size.compared_bytes // len(size.by_way) for size in sizes)
    clean = compared and not any(size.by_way[THROUGH_HOST] for size in sizes)
    return Fix.edit(
        DETOUR,
        summary="sends what a device map moves between GPUs through main memory, which is slower; "
        "torch itself has no switch for direct transfers",
        safety=Safety.REVIEW,
        verification=(
            f"{compared // MIB} MiB copied through the host between the same GPUs arrived unchanged"
            if clean
            else ""
        ),
    )


def hints(topology: TopologyFacts | None) -> list[str]:
    """What on this machine is known to redirect transfers between GPUs, as far as it shows."""
    if topology is None:
        return []
    found = []
    types = {card.iommu_group_type for card in topology.cards} - {None, "identity"}
    if types:
        kinds = ", ".join(sorted(str(kind) for kind in types))
        found.append(f"an IOMMU translates the GPUs' transfers (group type {kinds})")
    elif topology.iommus:
        found.append(f"an IOMMU is in use ({', '.join(topology.iommus[:4])})")
    redirecting = sorted(
        {
            bridge.address
            for card in topology.cards
            for bridge in card.bridges
            if bridge.acs_redirects
        }
    )
    if redirecting:
        ports = ", ".join(redirecting[:4])
        found.append(f"PCIe access control redirects transfers at {ports}")
    if any(word.startswith("ForceP2P") for word in _registry(topology)):
        found.append("the driver's settings force peer access")
    return found


def _registry(topology: TopologyFacts) -> list[str]:
    text = (topology.driver_parameters or {}).get("RegistryDwords", "")
    return text.strip('"').replace(",", ";").split(";")


def _machine_fixes(topology: TopologyFacts | None) -> Iterator[Fix]:
    known = hints(topology)
    because = f" Here {known[0]}." if known else ""
    yield Fix.advise(
        "Ask the administrator to let GPU transfers pass the IOMMU unchanged (iommu=pt on the "
        "kernel command line) or to switch IOMMU and PCIe access control (ACS) off in the BIOS; "
        f"then run this check again.{because}",
        safety=Safety.RISKY,
    )
