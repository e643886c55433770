"""Predicted and measured side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from qvl_checks.memory.change_facts import CandidatesFacts, FixesFacts, LargestImageFacts
from qvl_checks.memory.predicted_facts import Device, PredictedFacts
from qvl_checks.memory.run_facts import Card, RunFacts
from qvl_checks.memory.run_words import gib


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One card in one run; bytes, None where the run did not get so far."""

    run: str
    """``as stated``, or the change's name."""
    index: int
    weights: int | None
    weights_predicted: int
    allocated: int | None
    allocated_predicted: int
    reserved: int | None
    reserved_predicted: int | None
    place: str
    """Where the measured peak is, or the failure: module (phase)."""
    place_predicted: str

    @property
    def error(self) -> float | None:
        """Of the peak, in percent of the measured one."""
        return _percent(self.allocated, self.allocated_predicted)

    @property
    def reserved_error(self) -> float | None:
        """Of the peak of reserved memory, in percent."""
        return _percent(self.reserved, self.reserved_predicted)

    @property
    def weights_error(self) -> float | None:
        """Of the weights, in percent."""
        return _percent(self.weights, self.weights_predicted)

    def sizes(self) -> Iterator[dict[str, Any]]:
        """As evidence: weights, allocated and reserved memory, one below the other."""
        for what, measured, predicted, error in (
            ("weights", self.weights, self.weights_predicted, self.weights_error),
            ("peak allocated", self.allocated, self.allocated_predicted, self.error),
            ("peak reserved", self.reserved, self.reserved_predicted, self.reserved_error),
        ):
            yield {
                "run": self.run,
                "gpu": self.index,
                "what": what,
                "measured_gib": gib(measured),
                "predicted_gib": gib(predicted),
                "error_percent": None if error is None else round(error, 3),
            }

    def places(self) -> dict[str, Any]:
        """As evidence: where the peak is."""
        return {
            "run": self.run,
            "gpu": self.index,
            "measured": self.place,
            "predicted": self.place_predicted,
        }


def as_evidence(rows: Iterable[Compared]) -> dict[str, Any]:
    """Predicted and measured sizes side by side, and where each sees the peak."""
    several = list(rows)
    return {
        "predicted_and_measured": [size for row in several for size in row.sizes()],
        "where_the_peak_is": [row.places() for row in several],
    }


def all_compared(
    stated: RunFacts,
    predicted: PredictedFacts | None,
    candidates: CandidatesFacts | None,
    fixes: FixesFacts | None,
    largest: LargestImageFacts | None,
) -> tuple[Compared, ...]:
    """Every run that was both predicted and made."""
    found = list(compare("as stated", stated, predicted.devices if predicted else ()))
    for trial in fixes.runs if fixes else ():
        candidate = candidates.of(trial.name) if candidates else None
        found += compare(trial.name, trial.run, candidate.devices if candidate else ())
    square = candidates.largest_image if candidates else None
    for side in largest.runs if largest else ():
        if square is not None and side.side == square.side:
            found += compare(f"{side.side} x {side.side} image", side.run, square.devices)
    return tuple(found)


def compare(name: str, run: RunFacts, devices: Iterable[Device]) -> Iterator[Compared]:
    """Card by card; a run that failed has no peak to compare, only weights and the place."""
    if run.status == "not_run":
        return
    for device in devices:
        card = next((one for one in run.cards if one.index == device.index), None)
        if card is None:
            continue
        ran = run.status == "ran"
        yield Compared(
            run=name,
            index=card.index,
            weights=_weights(card),
            weights_predicted=device.weights_bytes,
            allocated=card.peak_allocated_bytes if ran else None,
            allocated_predicted=device.peak_allocated_bytes,
            reserved=card.peak_reserved_bytes if ran else None,
            reserved_predicted=device.peak_reserved_bytes,
            place=_place(run, card.index),
            place_predicted=_predicted_place(device, ran),
        )


def _weights(card: Card) -> int | None:
    """What loading allocated; None where records do not tell it from the libraries' workspace."""
    if card.weights_bytes is None or card.workspace_bytes is None:
        return None
    return card.weights_bytes - card.workspace_bytes


def _place(run: RunFacts, index: int) -> str:
    failure = run.failure
    if failure is not None and failure.gpu == index:
        return f"failed in {failure.module or 'no module'} ({failure.phase})"
    peak = next((one for one in run.peaks if one.index == index), None)
    return f"{peak.module or 'no module'} ({peak.phase})" if peak else ""


def _predicted_place(device: Device, ran: bool) -> str:
    failure = device.failure
    if failure is not None and not ran:
        return f"fails in {failure.module or 'no module'} ({failure.phase})"
    return f"{device.peak_module or 'no module'} ({device.peak_phase})"


def _percent(measured: int | None, predicted: int | None) -> float | None:
    if not measured or predicted is None:
        return None
    return (predicted - measured) / measured * 100
