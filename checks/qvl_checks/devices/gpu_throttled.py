"""A card that is held back under load."""

from __future__ import annotations

import statistics
from typing import Any

from qvl_checks.devices.gpu_presence import without_torch_device
from qvl_checks.devices.identity import gpu_of
from qvl_checks.devices.load_facts import LoadedGpu, LoadFacts
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.throttling import CLOCKS_SETTING, POWER_CAP, REASONS, TROUBLE
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Chart, Confidence, Fix, Series
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed

OFTEN = 0.2
"""Share of the readings from which a reason is no passing moment."""
LOW_CLOCK = 0.7
LOWERED_LIMIT = 0.9
SLOWER_THAN_ALIKE = 0.75
"""Speed against the median of the identical cards; healthy ones differ by a few percent."""


@check("devices.gpu-throttled")
def gpu_throttled(
    load: LoadFacts, torch: TorchFacts, nvml: NvmlFacts | None, host: HostFacts | None
) -> Judgement:
    """What the driver says under load, and the speed against cards of the same kind."""
    absence = without_torch_device(torch, nvml, host)
    if absence is not None:
        return absence
    if load.reason or not load.gpus:
        return blocked(f"no GPU was put under load: {load.reason or 'none was listed'}")
    known = {gpu.index: gpu_of(torch, nvml, gpu.index) for gpu in load.gpus}
    evidence = {"seconds": load.seconds, "gpus": _rows(load, torch, known)}
    charts = _charts(load, torch)
    for gpu in load.gpus:
        words = _held_back(gpu, known[gpu.index]) or _slower(gpu, load, torch)
        if words:
            return failed(
                f"GPU {gpu.index} ({_name(torch, gpu.index)}) {words[0]}",
                words[1],
                confidence=Confidence.MEASURED,
                evidence=evidence,
                fixes=[Fix.advise(words[2])],
                charts=charts,
            )
    if all(gpu.throttle_shares is None for gpu in load.gpus):
        return inconclusive(
            "the driver does not tell why a card lowers its clock "
            f"({load.gpus[0].unread or 'the question is refused'})",
            evidence=evidence,
        )
    return passed(
        "no GPU was held back by heat, power supply or settings under a short load",
        _power_words(load),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        charts=charts,
    )


def _held_back(gpu: LoadedGpu, known: Gpu | None) -> tuple[str, str, str] | None:
    """(what, why, what to do)."""
    shares = {int(bit): share for bit, share in (gpu.throttle_shares or {}).items()}
    trouble = [bit for bit in TROUBLE if shares.get(bit, 0) >= OFTEN]
    if trouble:
        names = " and ".join(REASONS[bit] for bit in trouble)
        return (
            f"is held back: {names}",
            f"In {shares[trouble[0]]:.0%} of {gpu.readings} readings under load the driver gave "
            f"this reason, at {gpu.temperature_c} °C and {gpu.sm_clock_mhz} MHz.",
            "Look after cooling (dust, fans, air flow, a neighbouring card) and the power cables "
            "of this card, then run this check again.",
        )
    if known is None or gpu.sm_clock_mhz is None or known.sm_clock_max_mhz is None:
        return None
    if gpu.sm_clock_mhz >= LOW_CLOCK * known.sm_clock_max_mhz:
        return None
    clocks = f"It ran at {gpu.sm_clock_mhz} of {known.sm_clock_max_mhz} MHz"
    limit, usual = known.power_limit_watts, known.power_limit_default_watts
    if shares.get(POWER_CAP, 0) >= OFTEN and limit and usual and limit < LOWERED_LIMIT * usual:
        return (
            f"is held back by a power limit of {limit:.0f} W",
            f"{clocks}; the card's own limit is {usual:.0f} W.",
            f"If nobody needs the lower limit: nvidia-smi -i {known.index} -pl {usual:.0f} "
            "(administrator).",
        )
    if shares.get(CLOCKS_SETTING, 0) >= OFTEN:
        return (
            "is held back by a clock setting",
            f"{clocks}, because somebody set or locked its clocks.",
            f"If nobody needs that: nvidia-smi -i {known.index} -rgc and -rac (administrator).",
        )
    return None


def _slower(gpu: LoadedGpu, load: LoadFacts, torch: TorchFacts) -> tuple[str, str, str] | None:
    name = _name(torch, gpu.index)
    others = [
        one.tflops
        for one in load.gpus
        if one.index != gpu.index and _name(torch, one.index) == name and one.tflops
    ]
    if not others or not gpu.tflops:
        return None
    usual = statistics.median(others)
    if gpu.tflops >= SLOWER_THAN_ALIKE * usual:
        return None
    return (
        "is slower than the same card beside it",
        f"It multiplied at {gpu.tflops:.0f} TFLOP/s, its like at {usual:.0f}, under the same load "
        "at the same time. A model spread over both waits for it in every step.",
        "Compare the two cards' clocks, power and temperature in the evidence; another program "
        "on this card, its cooling or its power supply are the usual reasons.",
    )


def _rows(load: LoadFacts, torch: TorchFacts, known: dict[int, Gpu | None]) -> dict[str, Any]:
    rows = {}
    for gpu in load.gpus:
        card = known[gpu.index]
        shares = gpu.throttle_shares
        rows[f"cuda:{gpu.index}"] = {
            "name": _name(torch, gpu.index),
            "TFLOP/s": gpu.tflops,
            "MHz": gpu.sm_clock_mhz,
            "MHz at most": card.sm_clock_max_mhz if card else None,
            "°C": gpu.temperature_c,
            "W": gpu.power_mw / 1000 if gpu.power_mw is not None else None,
            "W at most": card.power_limit_watts if card else None,
            "held back by": gpu.unread or "not told"
            if shares is None
            else ", ".join(f"{REASONS.get(int(bit), bit)} {shares[bit]:.0%}" for bit in shares)
            or "nothing",
        }
    return rows


def _power_words(load: LoadFacts) -> str:
    capped = [
        gpu.index
        for gpu in load.gpus
        if (gpu.throttle_shares or {}).get(str(POWER_CAP), 0) >= OFTEN
    ]
    if not capped:
        return ""
    listed = ", ".join(map(str, capped))
    return f"GPU {listed} reached its power limit, which is usual for large matrix products."


def _name(torch: TorchFacts, index: int) -> str | None:
    return next((device.name for device in torch.devices if device.index == index), None)


def _charts(load: LoadFacts, torch: TorchFacts) -> tuple[Chart, ...]:
    points = tuple((f"cuda:{gpu.index}", gpu.tflops) for gpu in load.gpus)
    if len(points) < 2:
        return ()
    return (
        Chart(
            kind="bar",
            title="float16 matrix products, all GPUs at once",
            x="GPU",
            y="TFLOP/s",
            series=(Series(name="speed", points=points),),
        ),
    )
