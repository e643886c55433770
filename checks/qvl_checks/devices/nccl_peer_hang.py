"""NCCL that waits for ever, or adds up wrongly."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.collective_facts import CollectiveFacts, CollectiveRun
from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import (
    Judgement,
    blocked,
    failed,
    inconclusive,
    not_applicable,
    passed,
)

SETTING = "NCCL_P2P_DISABLE=1"


@check("devices.nccl-peer-hang")
def nccl_peer_hang(
    collective: CollectiveFacts,
    torch: TorchFacts,
    nvml: NvmlFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """A sum over all GPUs that was run here, and again without direct transfers if it failed."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if len(torch.devices) < 2:
        return not_applicable("torch sees one GPU only: there is nothing to run in parallel")
    run = collective.as_is
    if run is None:
        return blocked(f"NCCL was not tried: {collective.reason or 'no reason was recorded'}")
    evidence = _evidence(collective, host)
    if run.right:
        return passed(
            f"NCCL {collective.nccl} adds up over {collective.gpus} GPUs, in time and exactly",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    other = collective.without_peer_transfers
    cured = other is not None and other.right
    if run.status == "timed_out":
        title = f"NCCL hangs over {collective.gpus} GPUs"
    elif run.wrong_elements:
        title = f"NCCL gives wrong sums over {collective.gpus} GPUs"
    elif cured:
        title = f"NCCL fails over {collective.gpus} GPUs"
    else:
        return inconclusive(
            f"NCCL does not run here ({run.reason[:300]}), with or without direct transfers "
            "between the GPUs",
            evidence=evidence,
        )
    return failed(
        title,
        (
            f"A sum over all GPUs did not come out ({run.reason or 'it ended with wrong sums'}); "
            "with direct transfers between the GPUs switched off it is right: they are the cause."
            if cured
            else f"A sum over all GPUs did not come out ({run.reason or 'wrong sums'}), nor did it "
            "without direct transfers: look at shared memory, firewalls and the driver."
        ),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=_fixes(other, cured),
    )


def _fixes(other: CollectiveRun | None, cured: bool) -> list[Fix]:
    setting = Fix(
        kind="setting",
        setting=SETTING,
        summary="lets NCCL move data through main memory; slower, and right",
        safety=Safety.SAFE,
        verified=cured,
        verification=(
            f"with it the same sums over the same GPUs were right, in {other.seconds:.1f} s"
            if cured and other is not None
            else None
        ),
    )
    room = Fix.advise(
        "In a container give more shared memory (--ipc=host or --shm-size=16g), and see "
        "devices.peer-copy-corruption for IOMMU and ACS."
    )
    return [setting, room] if cured else [room]


def _evidence(collective: CollectiveFacts, host: HostFacts | None) -> dict[str, Any]:
    runs = {
        "as it is": collective.as_is,
        f"with {SETTING}": collective.without_peer_transfers,
    }
    environment = host.environment if host is not None else {}
    return {
        "nccl": collective.nccl,
        "gpus": collective.gpus,
        "environment": {k: v for k, v in environment.items() if k.startswith("NCCL_")},
        "shared memory free bytes": host.shared_memory_free_bytes if host is not None else None,
        **{name: _rows(run) for name, run in runs.items() if run is not None},
    }


def _rows(run: CollectiveRun) -> dict[str, Any]:
    return {
        "outcome": run.status,
        "reason": run.reason or None,
        "seconds": run.seconds,
        "sums": [
            {
                "bytes": size.bytes,
                "wrong elements": size.wrong_elements,
                "ms": None if size.seconds is None else round(1e3 * size.seconds, 3),
            }
            for size in run.sizes
        ],
    }
