"""Errors that a card or the driver has counted."""

from __future__ import annotations

from typing import Any

from qvl_checks.devices.gpu_presence import without_gpu
from qvl_checks.devices.kernel_log_facts import KernelLogFacts
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.xids import HARDWARE, MEANINGS, MEMORY
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

COUNTERS = (
    "ecc_uncorrected_errors",
    "ecc_uncorrected_errors_ever",
    "rows_remapped",
    "row_remap_pending",
    "row_remap_failed",
    "pages_retired",
    "page_retirement_pending",
)
UNSUPPORTED = "not supported"
SYMPTOMS = ("devices.gpu-inconsistent", "devices.device-side-assert")


@check("devices.gpu-hardware-errors")
def gpu_hardware_errors(
    nvml: NvmlFacts, log: KernelLogFacts | None, host: HostFacts | None
) -> Judgement:
    """Present trouble fails; what a card has survived and mended is told."""
    absence = without_gpu(nvml, host)
    if absence is not None:
        return absence
    evidence = _evidence(nvml, log)
    troubles = [
        (gpu.index, gpu.name, trouble) for gpu in nvml.devices for trouble in _troubles(gpu)
    ]
    xids = log.xids if log is not None else ()
    counted = any(_counts(gpu) for gpu in nvml.devices)
    grave = HARDWARE if counted else {**HARDWARE, **MEMORY}
    broken = [xid for xid in xids if xid.number in grave]
    if troubles or broken:
        if troubles:
            index, name, trouble = troubles[0]
            title = f"GPU {index} ({name}) {trouble}"
        else:
            title = f"The driver logged an error of the GPU at {broken[0].address}"
        logged = "".join(
            f" The driver logged Xid {xid.number} for {xid.address} {xid.count} time(s): "
            f"{MEANINGS[xid.number]}."
            for xid in broken[:4]
        )
        return failed(
            title,
            "Programs that meet such an error stop, or compute on damaged data where the memory "
            f"has no protection.{logged}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    "Stop the programs on this GPU and reset it or restart the machine, which "
                    "also replaces marked rows of memory; if the errors come back, have the card "
                    "replaced. Until then hide it with CUDA_VISIBLE_DEVICES."
                )
            ],
            explains=SYMPTOMS,
        )
    if not counted:
        return _nothing_counted(nvml, log, evidence)
    ever = sum(gpu.ecc_uncorrected_errors_ever or 0 for gpu in nvml.devices)
    remapped = sum((gpu.rows_remapped or 0) + (gpu.pages_retired or 0) for gpu in nvml.devices)
    past = f" In their lives: {ever} errors, {remapped} rows or pages replaced." if ever else ""
    crashed = "".join(
        f" Xid {xid.number} was logged {xid.count} time(s)"
        f" ({MEANINGS.get(xid.number, 'see the list of NVIDIA')})."
        for xid in xids[:3]
    )
    unread = (
        f" The kernel's log could not be read ({log.reason})." if log and not log.readable else ""
    )
    return passed(
        "no uncorrected memory error since the driver was loaded",
        f"{past}{crashed}{unread}".strip(),
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _troubles(gpu: Gpu) -> list[str]:
    known = {
        f"counted {gpu.ecc_uncorrected_errors} uncorrectable memory errors since the driver "
        "was loaded": gpu.ecc_uncorrected_errors,
        "has memory that it could not replace by spare rows": gpu.row_remap_failed,
        "uses faulty memory until its next reset": gpu.row_remap_pending
        or gpu.page_retirement_pending,
    }
    return [words for words, present in known.items() if present]


def _counts(gpu: Gpu) -> bool:
    return any(getattr(gpu, name) is not None for name in COUNTERS)


def _nothing_counted(
    nvml: NvmlFacts, log: KernelLogFacts | None, evidence: dict[str, Any]
) -> Judgement:
    reasons = {gpu.unread.get(name, "") for gpu in nvml.devices for name in COUNTERS} - {""}
    if all(UNSUPPORTED in reason.lower() for reason in reasons):
        readable = "holds no error" if log is not None and log.readable else "cannot be read"
        return not_applicable(
            "these cards do not count errors of their memory (no ECC), and the kernel's log "
            f"{readable}",
            evidence=evidence,
        )
    return inconclusive(
        f"the error counters cannot be read: {sorted(reasons)[0]}", evidence=evidence
    )


def _evidence(nvml: NvmlFacts, log: KernelLogFacts | None) -> dict[str, Any]:
    cards = {
        f"GPU {gpu.index}": {
            "name": gpu.name,
            "ecc": gpu.ecc_enabled,
            **{name.replace("_", " "): getattr(gpu, name) for name in COUNTERS},
        }
        for gpu in nvml.devices
    }
    unread = {
        f"GPU {gpu.index} {name}": reason
        for gpu in nvml.devices
        for name, reason in gpu.unread.items()
        if name in COUNTERS
    }
    if log is None or not log.readable:
        xids: Any = f"not readable: {log.reason if log else 'not asked'}"
    else:
        xids = [
            {"card": xid.address, "xid": xid.number, "times": xid.count}
            | {"meaning": MEANINGS.get(xid.number, "see NVIDIA's list")}
            for xid in log.xids
        ]
    return {"counters": cards, "not readable": unread, "driver's errors in the log": xids}
