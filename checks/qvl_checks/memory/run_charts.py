"""Pictures of runs: what filled each card."""

from __future__ import annotations

from collections.abc import Mapping

from qvl_checks.memory.run_facts import Card, RunFacts
from qvl_doctor.findings import Chart, Series

GIB = 2**30


def memory_bars(runs: Mapping[str, RunFacts]) -> tuple[Chart, ...]:
    """Bars of weights, activations and the failing request, per run and card; none without runs."""
    weights, activations, requests = [], [], []
    usable = []
    for name, run in runs.items():
        for card in run.cards:
            label = f"{name}, GPU {card.index}"
            held, request = _at_the_worst(run, card)
            base = min(card.weights_bytes or 0, held)
            weights.append((label, _gib(base)))
            activations.append((label, _gib(held - base)))
            if request:
                requests.append((label, _gib(request)))
            usable.append(card.usable_bytes)
    if not usable:
        return ()
    series = [
        Series(name="weights", points=tuple(weights)),
        Series(name="activations at the worst moment", points=tuple(activations)),
    ]
    if requests:
        series.append(Series(name="request that failed", points=tuple(requests), emphasis="bad"))
    return (
        Chart(
            kind="bar",
            title="Memory of each GPU in each run",
            x="run and GPU",
            y="GiB",
            series=tuple(series),
            stacked=True,
            threshold=_gib(min(usable)),
            threshold_label="usable per GPU",
        ),
    )


def _at_the_worst(run: RunFacts, card: Card) -> tuple[int, int]:
    """(bytes in tensors, bytes of the request that failed) on one card."""
    failure = run.failure
    if failure is not None and failure.gpu == card.index:
        for reading in failure.readings:
            if reading.index == card.index:
                return reading.allocated_bytes, failure.requested_bytes or 0
    return card.peak_allocated_bytes or 0, 0


def _gib(count: int) -> float:
    return round(count / GIB, 3)
