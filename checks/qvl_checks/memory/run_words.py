"""Runs and their failures in words and as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.memory.change_facts import LargestImageFacts
from qvl_checks.memory.run_facts import Card, OutOfMemory, RunFacts

GIB = 2**30


def workload(stated: RunFacts) -> str:
    """``One image of 14308 patches and a prompt of 3629 tokens``."""
    if stated.load is None:
        return "The workload"
    load = stated.load
    parts = [_counted("image", load.patches), _counted("video", load.video_patches)]
    shown = " and ".join(part for part in parts if part)
    batch = f", {load.batch} times in a batch" if load.batch > 1 else ""
    text = f"{shown} in a prompt" if shown else "A prompt"
    return f"{text[:1].upper()}{text[1:]} of {load.prompt_tokens} tokens{batch}"


def _counted(what: str, patches: tuple[int, ...]) -> str:
    if len(patches) < 2:
        return f"one {what} of {patches[0]} patches" if patches else ""
    return f"{len(patches)} {what}s of up to {max(patches)} patches"


def card_of(run: RunFacts, index: int | None) -> Card | None:
    """The card with this index, if the run used it."""
    return next((card for card in run.cards if card.index == index), None)


def left(card: Card | None, failure: OutOfMemory) -> int | None:
    """What the allocator could still have taken on the failing card."""
    for reading in failure.readings:
        if card is not None and reading.index == card.index:
            if card.limit_bytes is None:
                return reading.free_bytes
            return min(max(card.limit_bytes - reading.reserved_bytes, 0), reading.free_bytes)
    return None


def setting(stated: RunFacts) -> dict[str, Any]:
    """Evidence: what was run, on which cards, and what they could give."""
    return {
        "attention": stated.names,
        "dtype": stated.dtype,
        "device_map": stated.device_map,
        "weights": stated.weights,
        "workload": workload(stated),
        "gpus": [
            {
                "index": card.index,
                "name": card.name,
                "cap_gib": gib(card.cap_bytes),
                "usable_gib": gib(card.usable_bytes),
                "context_gib": gib(card.context_bytes),
                "weights_gib": gib(card.weights_bytes),
                "peak_gib": gib(card.peak_allocated_bytes),
                "reserved_peak_gib": gib(card.peak_reserved_bytes),
            }
            for card in stated.cards
        ],
        "torch": stated.torch,
        "transformers": stated.transformers,
    }


def failing_request(failure: OutOfMemory, left: int | None) -> dict[str, Any]:
    """Evidence: the allocation that failed, with what was left for it (bytes)."""
    tensor = failure.tensor
    return {
        "message": failure.message,
        "gpu": failure.gpu,
        "requested_bytes": failure.requested_bytes,
        "exact": failure.requested_exact,
        "shape": list(tensor.shape) if tensor else None,
        "dtype": tensor.dtype if tensor else None,
        "operator": failure.operator,
        "module": failure.module,
        "phase": failure.phase,
        "source": f"{failure.file}:{failure.line}" if failure.file else None,
        "code": failure.code,
        "left_gib": gib(left),
        "allocated_gib": {
            f"GPU {reading.index}": gib(reading.allocated_bytes) for reading in failure.readings
        },
    }


def outcomes(stated: RunFacts, tried: Mapping[str, RunFacts]) -> dict[str, str]:
    """Evidence: how each run ended, in one sentence."""
    runs = {f"as stated ({stated.names})": stated, **tried}
    return {name: ending(run) for name, run in runs.items()}


def largest_image(largest: LargestImageFacts) -> dict[str, Any]:
    """Evidence: the runs on either side of the largest square image."""
    return {
        "predicted_px": largest.predicted_side,
        "fits_px": largest.fits_side,
        "fails_px": largest.fails_side,
        "step_px": largest.unit,
        "images": largest.images,
        "is_the_processors_limit": largest.at_the_limit,
        "runs": {f"{one.side} x {one.side}": ending(one.run) for one in largest.runs},
    }


def limit(largest: LargestImageFacts) -> str:
    """``The largest square image that fits is 1932 x 1932; 1960 x 1960 does not.``"""
    side = f"{largest.fits_side} x {largest.fits_side}"
    each = f" {largest.images} times" if largest.images > 1 else ""
    if largest.fails_side is not None:
        return (
            f"The largest square image that fits{each} is {side}; "
            f"{largest.fails_side} x {largest.fails_side} does not."
        )
    if largest.at_the_limit:
        return f"So does a square image of {side}{each}, the largest that the processor makes."
    return f"A square image of {side}{each} fits as well."


def ending(run: RunFacts) -> str:
    """How a run ended, in one sentence."""
    if run.status == "not_run":
        return f"not run: {run.reason}"
    if run.failure is None:
        return f"ran: {peaks(run)}"
    return (
        f"out of memory in {run.failure.module}: {size(run.failure.requested_bytes)} "
        f"asked for on GPU {run.failure.gpu}"
    )


def peaks(run: RunFacts) -> str:
    """``peak 16.90 GiB on GPU 0 (weights 15.45)``."""
    return ", ".join(
        f"peak {size(card.peak_allocated_bytes)} on GPU {card.index} "
        f"(weights {size(card.weights_bytes)})"
        for card in run.cards
    )


def size(count: int | None) -> str:
    """``12.20 GiB``."""
    return "an unknown amount" if count is None else f"{count / GIB:.2f} GiB"


def gib(count: int | None) -> float | None:
    """GiB with three decimals, for evidence."""
    return None if count is None else round(count / GIB, 3)
