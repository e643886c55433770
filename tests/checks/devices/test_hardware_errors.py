"""Counted errors of cards, and the driver's errors in the kernel's log."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.devices import kernel_log_probe
from qvl_checks.devices.gpu_hardware_errors import gpu_hardware_errors
from qvl_checks.devices.kernel_log_facts import KernelLogFacts, Xid
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.xids import HARDWARE, MEANINGS, MEMORY, NOTED, entries
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

LOG = """\
<6>[    1.000000] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65.06
<3>[  812.100000] NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen
<3>[  812.200000] NVRM: Xid (PCI:0000:3b:00): 79, pid=77, name=secret-program, GPU has fallen
[ 2000.000000] NVRM: Xid (PCI:0000:5E:00): 13, pid=1, Graphics Exception
<6>[ 3000.000000] a program prints: NVRM Xid 48
"""


def test_the_log_is_counted_by_card_and_number() -> None:
    assert entries(LOG) == [
        {"address": "0000:3b:00", "number": 79, "count": 2, "last_s": 812.2},
        {"address": "0000:5e:00", "number": 13, "count": 1, "last_s": 2000.0},
    ]
    assert entries("") == []


def test_no_number_has_two_meanings() -> None:
    assert len(MEANINGS) == len(HARDWARE) + len(MEMORY) + len(NOTED)


def test_the_real_log_is_read_or_it_is_said_why_not() -> None:
    facts = msgspec.convert(kernel_log_probe.run({}), KernelLogFacts)
    assert facts.readable or facts.reason


def test_a_log_that_may_not_be_read_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(kernel_log_probe, "_log", refuse)
    facts = msgspec.convert(kernel_log_probe.run({}), KernelLogFacts)
    assert not facts.readable and "Operation not permitted" in facts.reason


def card(**fields: Any) -> Gpu:
    known: dict[str, Any] = {
        "index": 0,
        "name": "A card",
        "ecc_enabled": True,
        "ecc_uncorrected_errors": 0,
        "rows_remapped": 0,
        "row_remap_pending": False,
        "row_remap_failed": False,
    }
    return Gpu(**{**known, **fields})


GAMER = Gpu(
    index=0,
    name="A card",
    unread={"ecc_uncorrected_errors": "NVMLError_NotSupported: Not Supported"},
)
CLEAN = KernelLogFacts(readable=True)
HIDDEN = KernelLogFacts(readable=False, reason="PermissionError")


def logged(number: int) -> KernelLogFacts:
    xid = Xid(address="0000:3b:00", number=number, count=2, last_s=812.2)
    return KernelLogFacts(readable=True, xids=(xid,))


def judged(*cards: Gpu, log: KernelLogFacts | None = CLEAN) -> Judgement:
    nvml = NvmlFacts(available=True, device_count=len(cards), devices=cards)
    return gpu_hardware_errors.judge(nvml=nvml, log=log, host=None)


@pytest.mark.parametrize(
    ("gpu", "log", "outcome", "words"),
    [
        (card(), CLEAN, Outcome.PASS, "no uncorrected"),
        (card(), HIDDEN, Outcome.PASS, "could not be read"),
        (card(), None, Outcome.PASS, "no uncorrected"),
        (card(ecc_uncorrected_errors=2), CLEAN, Outcome.FAIL, "2 uncorrectable"),
        (card(row_remap_pending=True), CLEAN, Outcome.FAIL, "until its next reset"),
        (card(row_remap_failed=True), CLEAN, Outcome.FAIL, "could not replace"),
        (card(page_retirement_pending=True), HIDDEN, Outcome.FAIL, "until its next reset"),
        (card(), logged(79), Outcome.FAIL, "fallen off the bus"),
        (card(), logged(48), Outcome.PASS, "Xid 48"),  # its counter was reset: mended
        (GAMER, logged(48), Outcome.FAIL, "uncorrectable error of memory"),
        (card(), logged(13), Outcome.PASS, "Xid 13"),
        (
            card(ecc_uncorrected_errors_ever=4, rows_remapped=2),
            CLEAN,
            Outcome.PASS,
            "4 errors, 2 rows",
        ),
        (GAMER, CLEAN, Outcome.NOT_APPLICABLE, "no ECC"),
        (GAMER, HIDDEN, Outcome.NOT_APPLICABLE, "cannot be read"),
    ],
)
def test_what_is_held_against_a_card(
    gpu: Gpu, log: KernelLogFacts | None, outcome: Outcome, words: str
) -> None:
    judgement = judged(gpu, log=log)
    assert judgement.outcome is outcome
    assert words in judgement.title + judgement.cause


def test_the_card_is_named() -> None:
    judgement = judged(card(), card(index=1, name="Another", ecc_uncorrected_errors=1))
    assert judgement.title.startswith("GPU 1 (Another)")


def test_counters_that_refuse_for_another_reason_leave_the_question_open() -> None:
    lost = Gpu(index=0, unread={"ecc_uncorrected_errors": "NVMLError: GPU is lost"})
    assert judged(lost).outcome is Outcome.INCONCLUSIVE


def test_without_a_card_nothing_is_asked() -> None:
    nvml = NvmlFacts(available=False, reason="no library")
    judge = gpu_hardware_errors.judge
    assert judge(nvml=nvml, log=None, host=None).outcome is Outcome.NOT_APPLICABLE
    on_bus = HostFacts(nvidia_devices_on_bus=1)
    assert judge(nvml=nvml, log=None, host=on_bus).outcome is Outcome.BLOCKED
