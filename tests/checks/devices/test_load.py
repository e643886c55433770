"""Cards under load: what holds them back, and how they are connected to the host."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from qvl_checks.devices.gpu_throttled import gpu_throttled
from qvl_checks.devices.load import load_devices, summary
from qvl_checks.devices.load_facts import LoadedGpu, LoadFacts
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.nvml_library import Nvml
from qvl_checks.devices.pcie_link_narrow import pcie_link_narrow
from qvl_checks.devices.throttling import names_of
from qvl_checks.devices.topology_facts import CardPlace, PciLink, TopologyFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement


def test_devices_are_kept_busy_and_read_meanwhile() -> None:
    asked: list[str] = []

    def read(device: str) -> dict[str, Any]:
        asked.append(device)
        return {"sm_clock_mhz": 1000 + len(asked), "throttle_mask": 4, "power_mw": None}

    rows = load_devices(torch, ["cpu", "cpu:0"], 256, 0.1, read)
    assert [row["readings"] for row in rows] == [len(asked) // 2] * 2
    assert all(row["tflops"] > 0 and row["host_gb_per_s"] > 0 for row in rows)
    assert rows[0]["sm_clock_mhz"] > 1000
    assert rows[0]["throttle_shares"] == {"4": 1.0}
    assert rows[0]["power_mw"] is None


def test_readings_are_summed_up() -> None:
    row = summary(
        [
            {"sm_clock_mhz": 900, "temperature_c": 70, "throttle_mask": 0x44, "pcie_width": 8},
            {"sm_clock_mhz": 1000, "temperature_c": 80, "throttle_mask": 0x4, "pcie_width": 16},
            {"sm_clock_mhz": 1900, "temperature_c": None, "throttle_mask": None},
        ]
    )
    assert (row["sm_clock_mhz"], row["temperature_c"], row["pcie_width"]) == (1000, 80, 16)
    assert row["throttle_shares"] == {"4": 1.0, "64": 0.5}
    assert summary([{}])["throttle_shares"] is None
    assert names_of(0x44) == ["software power cap", "hardware thermal slowdown"]


def test_a_missing_driver_library_is_an_error_of_the_system() -> None:
    try:
        nvml = Nvml()
    except OSError as error:
        assert str(error)
        return
    with pytest.raises(OSError, match="does not show GPU nonsense"):
        nvml.card("nonsense")
    nvml.close()


# The rules

NONE = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)


def seen(*names: str) -> TorchFacts:
    devices = tuple(
        TorchDevice(index=index, name=name, uuid=f"u{index}") for index, name in enumerate(names)
    )
    return TorchFacts(cuda_built=True, device_count=len(devices), devices=devices)


def driver(*cards: Gpu) -> NvmlFacts:
    return NvmlFacts(available=True, device_count=len(cards), devices=cards)


def known(index: int = 0, **fields: Any) -> Gpu:
    limits: dict[str, Any] = {
        "sm_clock_max_mhz": 2000,
        "power_limit_watts": 700.0,
        "power_limit_default_watts": 700.0,
        "pcie_width": 16,
        "pcie_width_max": 16,
        "pcie_generation_max": 5,
    }
    return Gpu(index=index, uuid=f"GPU-u{index}", **{**limits, **fields})


def loaded(index: int = 0, **fields: Any) -> LoadedGpu:
    usual: dict[str, Any] = {
        "tflops": 600.0,
        "readings": 40,
        "sm_clock_mhz": 1900,
        "temperature_c": 60,
        "throttle_shares": {},
        "pcie_generation": 5,
        "pcie_width": 16,
    }
    return LoadedGpu(index=index, **{**usual, **fields})


def throttled(*gpus: LoadedGpu, cards: tuple[Gpu, ...] = (), names: str = "") -> Judgement:
    return gpu_throttled.judge(
        load=LoadFacts(seconds=1.5, size=64, gpus=gpus),
        torch=seen(*(names or "A" * len(gpus))),
        nvml=driver(*(cards or tuple(known(gpu.index) for gpu in gpus))),
        host=None,
    )


@pytest.mark.parametrize(
    ("fields", "card", "outcome", "words"),
    [
        ({}, {}, Outcome.PASS, "no GPU was held back"),
        ({"throttle_shares": {"4": 0.9}}, {}, Outcome.PASS, "power limit, which is usual"),
        ({"throttle_shares": {"64": 0.5}}, {}, Outcome.FAIL, "hardware thermal slowdown"),
        ({"throttle_shares": {"64": 0.05}}, {}, Outcome.PASS, "no GPU"),
        ({"throttle_shares": {"128": 1.0}}, {}, Outcome.FAIL, "power brake"),
        (
            {"throttle_shares": {"4": 1.0}, "sm_clock_mhz": 900},
            {"power_limit_watts": 300.0},
            Outcome.FAIL,
            "power limit of 300 W",
        ),
        ({"throttle_shares": {"4": 1.0}, "sm_clock_mhz": 900}, {}, Outcome.PASS, "no GPU"),
        (
            {"throttle_shares": {"2": 1.0}, "sm_clock_mhz": 900},
            {},
            Outcome.FAIL,
            "clock setting",
        ),
        ({"throttle_shares": None}, {}, Outcome.INCONCLUSIVE, "does not tell"),
    ],
)
def test_what_holds_a_card_back(
    fields: dict[str, Any], card: dict[str, Any], outcome: Outcome, words: str
) -> None:
    judgement = throttled(loaded(**fields), cards=(known(**card),))
    assert judgement.outcome is outcome
    assert words in judgement.title + judgement.cause


def test_a_card_slower_than_its_like_is_named() -> None:
    slow = (loaded(0), loaded(1, tflops=400.0))
    judgement = throttled(*slow)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title == "GPU 1 (A) is slower than the same card beside it"
    assert throttled(*slow, names="AB").outcome is Outcome.PASS
    assert throttled(loaded(0), loaded(1, tflops=560.0)).outcome is Outcome.PASS


def test_where_no_load_was_put() -> None:
    load = LoadFacts(reason="other processes hold 20 GiB of GPU 0")
    judge = gpu_throttled.judge
    assert judge(load=load, torch=seen("A"), nvml=None, host=None).outcome is Outcome.BLOCKED
    assert judge(load=load, torch=NONE, nvml=None, host=None).outcome is Outcome.NOT_APPLICABLE


def link(
    gpu: LoadedGpu | None = None, card: Gpu | None = None, place: CardPlace | None = None
) -> Judgement:
    return pcie_link_narrow.judge(
        torch=seen("A"),
        load=LoadFacts(gpus=(gpu,)) if gpu else None,
        nvml=driver(card) if card else None,
        topology=TopologyFacts(cards=(place,)) if place else None,
        host=None,
    )


def place(slot: int | None, card: int = 16, width: int = 16) -> CardPlace:
    return CardPlace(
        index=0,
        uuid="GPU-u0",
        link=PciLink(width=width, width_max=card),
        slot=PciLink(width_max=slot) if slot else None,
    )


@pytest.mark.parametrize(
    ("gpu", "card", "where", "outcome", "words"),
    [
        (loaded(), known(), None, Outcome.PASS, "all PCIe lanes"),
        (loaded(pcie_width=4), known(), None, Outcome.FAIL, "4 of 16 PCIe lanes"),
        (None, known(pcie_width=8), None, Outcome.FAIL, "8 of 16 PCIe lanes"),
        (loaded(pcie_generation=3), known(), None, Outcome.FAIL, "PCIe 3 where 5 is possible"),
        (None, known(), None, Outcome.PASS, "not judged"),  # at rest a low generation is usual
        (loaded(pcie_width=8), known(pcie_width_max=8), place(8), Outcome.PASS, "slot with 8"),
        (loaded(pcie_width=8), known(), place(8), Outcome.PASS, "slot with 8"),
        (loaded(pcie_width=8), known(), place(16), Outcome.FAIL, "8 of 16"),
        (None, None, place(16, width=1), Outcome.FAIL, "1 of 16"),
        (None, None, None, Outcome.INCONCLUSIVE, "neither"),
    ],
)
def test_the_link_against_card_and_slot(
    gpu: LoadedGpu | None,
    card: Gpu | None,
    where: CardPlace | None,
    outcome: Outcome,
    words: str,
) -> None:
    judgement = link(gpu, card, where)
    assert judgement.outcome is outcome
    assert words in judgement.title + judgement.cause


def test_without_a_gpu_there_is_no_link() -> None:
    judgement = pcie_link_narrow.judge(torch=NONE, load=None, nvml=None, topology=None, host=None)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
