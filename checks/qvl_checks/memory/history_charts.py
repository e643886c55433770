"""Pictures of memory over time: what was alive on each card, by kind."""

from __future__ import annotations

from collections.abc import Iterable

from qvl_checks.memory.predicted_facts import Device
from qvl_checks.memory.run_facts import Card, History, OutOfMemory, RunFacts
from qvl_doctor.findings import Chart, Series

GIB = 2**30
NAMES = {
    "weights": "weights",
    "inputs": "inputs",
    "kv_cache": "KV cache",
    "vision": "vision",
    "text": "text",
    "logits": "logits",
}
"""Kind -> what it is called, from the bottom of the picture to its top."""
MOST_CARDS = 4
KIND_OF_PHASE = {"decode": "text", "generate": "text", "load": "weights"}
WORKSPACE = "workspace"
"""Of the libraries: there from the start, as the weights are, and shown with them."""


def measured_history(run: RunFacts) -> tuple[Chart, ...]:
    """One picture per card, as the allocator recorded the run."""
    cards = {card.index: card for card in run.cards}
    return tuple(
        _measured(one, cards[one.index], run.failure)
        for one in run.history[:MOST_CARDS]
        if one.moments and one.index in cards
    )


def predicted_history(devices: Iterable[Device]) -> tuple[Chart, ...]:
    """One picture per card, as the trace predicts it; its kinds are the phases."""
    charts = []
    for device in list(devices)[:MOST_CARDS]:
        held: list[dict[str, int]] = []
        for size, phase, _module in device.history:
            kind = KIND_OF_PHASE.get(phase, phase)
            weights = min(device.weights_bytes, size)
            held.append({"weights": weights, kind: size - weights})
        if not held:
            continue
        failure = device.failure
        charts.append(
            _chart(
                f"Predicted memory of GPU {device.index}: peak in "
                f"{device.peak_module or device.peak_phase}",
                list(enumerate(held)),
                device.usable_bytes,
                failure.requested_bytes if failure else 0,
            )
        )
    return tuple(charts)


def _measured(history: History, card: Card, failure: OutOfMemory | None) -> Chart:
    failed = failure is not None and failure.gpu == history.index
    worst = max(history.moments, key=lambda moment: sum(moment.held.values()))
    place = worst.module or worst.phase
    return _chart(
        f"Memory of GPU {history.index} while the workload ran: most in {place}",
        [(moment.step, moment.held) for moment in history.moments],
        card.usable_bytes,
        (failure.requested_bytes or 0) if failed and failure is not None else 0,
    )


def _chart(
    title: str, held: list[tuple[int, dict[str, int]]], usable: int | None, request: int
) -> Chart:
    held = [(step, _with_workspace(one)) for step, one in held]
    kinds = [kind for kind in NAMES if any(one.get(kind) for _, one in held)]
    series = [
        Series(
            name=NAMES[kind],
            points=tuple((float(step), _gib(one.get(kind, 0))) for step, one in held),
        )
        for kind in kinds
    ]
    if request:
        last = float(held[-1][0])
        series.append(
            Series(name="request that failed", points=((last, _gib(request)),), emphasis="bad")
        )
    return Chart(
        kind="area",
        title=title,
        x="allocations and releases, in order",
        y="GiB",
        series=tuple(series),
        stacked=True,
        threshold=None if usable is None else _gib(usable),
        threshold_label="usable",
    )


def _with_workspace(held: dict[str, int]) -> dict[str, int]:
    weights = held.get("weights", 0) + held.get(WORKSPACE, 0)
    return {**held, "weights": weights}


def _gib(count: int) -> float:
    return round(count / GIB, 3)
