"""Runs the stated workload once and records what memory it took, or what did not fit.

Runs in the target: standard library at module level. The caller is a child process of its own, so
whatever happens to CUDA here ends with it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from typing import Any

from qvl_checks.memory import placement as place
from qvl_checks.memory.cards import Cards, NoCards, Refused, gib, visible_cards
from qvl_checks.memory.oom_message import is_out_of_memory
from qvl_checks.memory.pixels import limits, resized
from qvl_checks.memory.tracer import Tracer
from qvl_checks.models.build import MERGE, make_config, make_inputs

HEADROOM = 1.1
"""The weights and a tenth must fit before a run is worth starting."""
STATED = "stated"


def run_on_gpu(request: Mapping[str, Any], attention: str | None) -> dict[str, Any]:
    """Run the request's workload on the visible GPUs with this attention implementation."""
    import torch

    model, workload = request.get("model") or {}, request["workload"]
    facts = _header(torch, attention)
    if model.get("source") not in ("published", "folder"):
        return {**facts, "status": "no_model", "reason": "no model was named"}
    inputs = request.get("inputs") or {}
    context = (inputs.get("devices.torch") or {}).get("context_bytes")
    try:
        # One device unless a map is stated: the others are not touched.
        count = visible_cards(torch) if workload["device_map"] in place.PLANNED else 1
        visible_cards(torch)
        cards = Cards(torch, range(count), cap=workload["cap_bytes"], context=context)
        cards.play_smaller()
        return {**facts, **run(torch, model, workload, attention, cards)}
    except Refused as refusal:
        return {**facts, "status": "refused", "refusal": refusal.kind, "reason": str(refusal)}


def run(
    torch: Any,
    model: Mapping[str, Any],
    workload: Mapping[str, Any],
    attention: str | None,
    cards: Any,
) -> dict[str, Any]:
    """Build or load, place, generate; on ``cards``, or on the CPU where that is `NoCards`.

    Raises:
        Refused: the weights do not fit, so nothing was started.
    """
    dtype, device_map = workload["dtype"], workload["device_map"]
    config = make_config(model["config"])
    tracer = Tracer(torch, cards)
    facts: dict[str, Any] = {"dtype": dtype, "device_map": device_map}
    try:
        hollow = place.hollow_model(torch, config, dtype, attention)
    except (ImportError, ValueError) as error:
        return {**facts, "status": "unavailable", "reason": f"{type(error).__name__}: {error}"}
    folder = model.get("path")
    stored = place.safetensors_bytes(folder)
    need = stored or place.parameter_bytes(hollow, torch, dtype)
    facts.update(
        selected=selected(hollow),
        weights_need_bytes=need,
        weights="checkpoint" if stored else "random",
    )
    if cards.rows:
        _require_room(cards, need, workload)
    try:
        placement = {"": "cpu"} if not cards.rows else place.plan(torch, hollow, device_map, dtype)
    except place.NotPlaceable as error:
        return {**facts, "status": "unavailable", "reason": str(error)}
    facts["placement"] = {name: str(device) for name, device in placement.items()}
    outside = sorted({str(d) for d in placement.values()} & {"cpu", "disk"})
    if outside and cards.rows:
        reason = f"device_map={device_map!r} moves weights to the {' and the '.join(outside)}"
        return {**facts, "status": "refused", "refusal": "offloaded", "reason": reason}
    started = time.monotonic()
    try:
        with tracer.watching():
            if stored:
                target = device_map if device_map in place.PLANNED else placement
                built = place.load(torch, config, str(folder), dtype, attention, target)
            else:
                built = hollow
                place.fill(torch, built, placement, dtype, tracer)
                if device_map in place.PLANNED:
                    place.dispatch(built, placement)
            del hollow
            facts.update(_loaded(built, cards, started))
            facts.update(_generate(torch, built, config, model, workload, tracer))
        facts["status"] = "ran"
    except RuntimeError as error:
        if not is_out_of_memory(str(error)):
            raise
        tracer.note_peaks()
        facts.update(status="out_of_memory", failure=tracer.failure(error), stage=tracer.stage)
        error.__traceback__ = None
    facts["seconds"] = round(time.monotonic() - started, 3)
    facts["peaks"] = [{"index": index, **peak} for index, peak in sorted(tracer.peaks.items())]
    built = None
    gc.collect()
    if cards.rows:
        cards.close()
    return {**facts, "cards": cards.rows}


def selected(model: Any) -> dict[str, str | None]:
    """The attention implementations that transformers chose, per part of the model."""
    config = model.config
    vision = getattr(config, "vision_config", None)
    return {
        "vision": getattr(vision, "_attn_implementation", None),
        "text": getattr(config.get_text_config(), "_attn_implementation", None),
    }


def _header(torch: Any, attention: str | None) -> dict[str, Any]:
    import transformers

    return {
        "attention": attention,
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }


def _require_room(cards: Any, need: int, workload: Mapping[str, Any]) -> None:
    """Refuse where the weights cannot fit, unless a cap makes it safe to show the failure."""
    wish = int(need * HEADROOM)
    if wish > cards.capacity() and workload["cap_bytes"] is None:
        raise Refused(
            "too_large", f"the weights take {gib(need)}, the GPUs have {gib(cards.capacity())}"
        )
    if wish > cards.room() and workload["cap_bytes"] is None:
        raise Refused(
            "in_use",
            f"the weights take {gib(need)}, and {gib(cards.room())} may be used "
            "without taking memory that other processes hold",
        )


def _loaded(model: Any, cards: Any, started: float) -> dict[str, Any]:
    facts = {
        "load_seconds": round(time.monotonic() - started, 3),
        "weights_by_device": place.weights_by_device(model),
    }
    for reading in cards.readings():
        row = next(row for row in cards.rows if row["index"] == reading["index"])
        row["weights_bytes"] = reading["allocated_bytes"]
    return facts


def _generate(
    torch: Any, model: Any, config: Any, named: Mapping[str, Any], workload: Any, tracer: Tracer
) -> dict[str, Any]:
    tracer.stage = "inputs"
    patch = config.vision_config.patch_size
    unit = patch * MERGE
    fewest, most = limits(patch, named.get("path"))
    images = [resized(width, height, unit, fewest, most) for width, height in workload["images"]]
    inputs = make_inputs(
        config,
        images=images,
        text_tokens=workload["text_tokens"],
        batch=workload["batch"],
        device=str(model.device),
    )
    tracer.load = {
        "images": images,
        "patches": [width * height // patch**2 for width, height in images],
        "prompt_tokens": int(inputs["input_ids"].shape[1]),
        "batch": workload["batch"],
    }
    tracer.follow(model)
    tracer.stage = "generate"
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=workload["new_tokens"], do_sample=False)
    tracer.note_peaks()
    return {"new_tokens": int(output.shape[1] - inputs["input_ids"].shape[1])}
