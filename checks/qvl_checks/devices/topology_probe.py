"""How the GPUs are connected: what the driver says, and what Linux shows of the buses.

Runs in a child of the doctor's interpreter. Nothing here is proof that a copy arrives whole.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qvl_checks.devices import pci
from qvl_checks.host.guarded import Guarded, reason_of

PATHS = {
    0: "one board",
    10: "one PCIe switch",
    20: "several PCIe switches",
    30: "host bridge",
    40: "one NUMA node",
    50: "the link between processors",
}
"""nvmlGpuTopologyLevel of the NVML reference."""
PEER_STATES = {
    0: "ok",
    1: "the chipset does not support it",
    2: "the card does not support it",
    3: "the buses between the cards do not support it",
    4: "disabled in the driver's settings",
    5: "not supported",
}
"""nvmlGpuP2PStatus of the NVML reference."""
PEER_READ, PEER_WRITE, PEER_NVLINK = 0, 1, 2
MOST_NVLINKS = 18
DRIVER_PARAMETERS = ("RegistryDwords", "GrdmaPciTopoCheckOverride", "EnablePCIeGen3")
ARGUMENT_WORDS = ("iommu", "acs", "pci=", "vfio")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `TopologyFacts`."""
    root = Path("/")
    try:
        import pynvml as nvml

        nvml.nvmlInit()
    except Exception as error:
        return {**machine(root), "nvml_reason": reason_of(error)}
    try:
        return {**machine(root), **connections(nvml, root)}
    finally:
        nvml.nvmlShutdown()


def machine(root: Path) -> dict[str, Any]:
    """What Linux tells about IOMMU, ACS and the driver's settings."""
    host = Guarded()
    host.read("iommus", lambda: sorted(one.name for one in (root / "sys/class/iommu").iterdir()))
    host.read("kernel_arguments", lambda: _kernel_arguments(root))
    host.read("driver_parameters", lambda: _driver_parameters(root))
    host.read(
        "open_kernel_module", lambda: "Open Kernel" in _text(root, "proc/driver/nvidia/version")
    )
    return host.row()


def connections(nvml: Any, root: Path) -> dict[str, Any]:
    """Every card and every pair of cards."""
    handles = {}
    cards = []
    for index in range(nvml.nvmlDeviceGetCount()):
        card = Guarded()
        handles[index] = card.read("handle", partial(nvml.nvmlDeviceGetHandleByIndex, index))
        del card.fields["handle"]
        if handles[index] is None:
            del handles[index]
        else:
            _read_card(card, nvml, handles.get(index), root)
        cards.append({**card.row(), "index": index})
    pairs = [
        _pair(nvml, handles[first], handles[second], first, second)
        for first in handles
        for second in handles
        if first < second
    ]
    return {"cards": cards, "pairs": pairs}


def _read_card(card: Guarded, nvml: Any, handle: Any, root: Path) -> None:
    card.read("uuid", lambda: _word(nvml.nvmlDeviceGetUUID(handle)))
    card.read("nvlinks", lambda: _nvlinks(nvml, handle))
    address = card.read("address", lambda: _address(nvml, handle))
    if address is None:
        return
    folder = card.read("folder", lambda: pci.device_folder(root, address))
    del card.fields["folder"]
    if folder is not None:
        read_place(card, root, folder)


def read_place(card: Guarded, root: Path, folder: Path) -> None:
    """What sysfs shows of one device and of the ports above it."""
    card.read("numa_node", lambda: int((folder / "numa_node").read_text()))
    card.read("iommu_group_type", lambda: pci.group_type(root, folder))
    card.read("link", lambda: pci.link(folder))
    above = pci.bridges_above(folder)
    card.read("slot", lambda: pci.link(above[-1]) if above else None)
    bridges = []
    for bridge in above:
        acs = Guarded()
        acs.read("acs_redirects", partial(pci.acs_redirects, bridge))
        card.unread.update({f"{bridge.name} {name}": why for name, why in acs.unread.items()})
        bridges.append({**acs.fields, "address": bridge.name})
    card.fields["bridges"] = bridges


def _pair(nvml: Any, one: Any, other: Any, first: int, second: int) -> dict[str, Any]:
    pair = Guarded()
    pair.read("path", lambda: PATHS.get(nvml.nvmlDeviceGetTopologyCommonAncestor(one, other)))
    for name, kind in (("read", PEER_READ), ("write", PEER_WRITE), ("nvlink", PEER_NVLINK)):
        pair.read(name, partial(_peer_state, nvml, one, other, kind))
    return {**pair.row(), "first": first, "second": second}


def _peer_state(nvml: Any, one: Any, other: Any, kind: int) -> str:
    number = int(nvml.nvmlDeviceGetP2PStatus(one, other, kind))
    return PEER_STATES.get(number, f"state {number}")


def _address(nvml: Any, handle: Any) -> str:
    return pci.sysfs_address(_word(nvml.nvmlDeviceGetPciInfo(handle).busId))


def _nvlinks(nvml: Any, handle: Any) -> int:
    """Links that are up; a card without any refuses the question."""
    count = 0
    for link in range(MOST_NVLINKS):
        try:
            count += int(nvml.nvmlDeviceGetNvLinkState(handle, link) == 1)
        except nvml.NVMLError:
            if link == 0:
                return 0
            break
    return count


def _kernel_arguments(root: Path) -> list[str]:
    words = _text(root, "proc/cmdline").split()
    return [word for word in words if any(known in word for known in ARGUMENT_WORDS)]


def _driver_parameters(root: Path) -> dict[str, str]:
    lines = _text(root, "proc/driver/nvidia/params").splitlines()
    found = (line.partition(":") for line in lines)
    return {
        name.strip(): value.strip() for name, _, value in found if name.strip() in DRIVER_PARAMETERS
    }


def _text(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8", errors="replace")


def _word(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
