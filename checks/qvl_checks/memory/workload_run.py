"""Runs the stated workload once and records what memory it took, or what did not fit.

Runs in the target: standard library at module level. The caller is a child process of its own, so
whatever happens to CUDA here ends with it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from qvl_checks.memory import placement as place
from qvl_checks.memory.cards import Cards, NoCards, Refused, gib, visible_cards
from qvl_checks.memory.oom_message import is_out_of_memory
from qvl_checks.memory.pixels import limits, resized
from qvl_checks.memory.tracer import Tracer
from qvl_checks.models.build import (
    MERGE,
    make_config,
    make_inputs,
    video_grid_of,
    visual_spans,
)

GENERATING = ("prefill_chunk_size", "cache_implementation")
"""Fields of a change that ``generate`` takes as they are."""
HEADROOM = 1.1
"""The weights and a tenth must fit before a run is worth starting."""


def run_on_gpus(
    request: Mapping[str, Any], changes: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Run the request's workload on the GPUs that it names.

    ``changes`` to it are fields of WorkloadFacts, or ``max_pixels`` (the processor's limit),
    ``prefill_chunk_size`` and ``cache_implementation`` (of ``generate``), ``logits_to_keep`` (of
    ``forward``), ``max_memory`` (card -> bytes of weights, with a device map) and
    ``expandable_segments`` (of the allocator).
    """
    import torch

    model, workload = request.get("model") or {}, {**request["workload"], **changes}
    measured = (request.get("inputs") or {}).get("devices.torch") or {}
    run = WorkloadRun(torch, model, workload)
    try:
        if model.get("source") not in ("published", "folder"):
            raise Refused("no_model", "no model was named")
        chosen = place.indices(torch, workload["device_map"], visible_cards(torch))
        if workload.get("expandable_segments"):
            torch.cuda.memory._set_allocator_settings("expandable_segments:True")
        cards = Cards(
            torch, chosen, cap=workload["cap_bytes"], context=measured.get("context_bytes")
        )
        cards.play_smaller()
        run.execute(cards)
    except Refused as refusal:
        run.facts.update(status="not_run", obstacle=refusal.kind, reason=str(refusal))
    return run.facts


class WorkloadRun:
    """One run of one workload; ``facts`` holds what is known so far."""

    def __init__(self, torch: Any, model: Mapping[str, Any], workload: Mapping[str, Any]) -> None:
        import transformers

        self._torch = torch
        self._named = model
        self._workload = workload
        self._attention: str | None = workload["attention"]
        self._folder: str | None = model.get("path")
        self.facts: dict[str, Any] = {
            "attention": self._attention,
            "mode": workload.get("mode", "generate"),
            "dtype": workload["dtype"],
            "device_map": workload["device_map"],
            "torch": str(torch.__version__),
            "transformers": str(transformers.__version__),
        }

    def execute(self, cards: Cards | NoCards) -> None:
        """Build or load, place, generate; on the CPU where the cards are `NoCards`.

        Raises:
            Refused: it must not or cannot be started.
        """
        torch, workload = self._torch, self._workload
        self.facts["cards"] = cards.rows
        config = make_config(dict(self._named["config"]))
        images = self._describe_load(config)
        hollow = place.hollow_model(torch, config, workload["dtype"], self._attention)
        self._describe_weights(hollow)
        _require_room(cards, self.facts["weights_need_bytes"])
        placement = self._placement(hollow, cards)
        tracer = Tracer(torch, cards)
        tracer.history.start()
        started = time.monotonic()
        try:
            with tracer.watching(), torch.no_grad():
                model = self._on_devices(config, hollow, placement, tracer)
                self._weigh(model, cards, started)
                tracer.stage = "inputs"
                inputs = make_inputs(
                    config,
                    images=images,
                    videos=[tuple(video) for video in workload.get("videos") or ()],
                    text_tokens=workload["text_tokens"],
                    batch=workload["batch"],
                    device=str(model.device),
                )
                tracer.follow(model)
                tracer.stage = "generate"
                output = self._call(model, inputs)
                tracer.note_peaks()
            self.facts["status"] = "ran"
        except RuntimeError as error:
            if not is_out_of_memory(str(error)):
                raise
            tracer.note_peaks()
            self.facts.update(status="out_of_memory", failure=tracer.failure(error))
            # Its frames hold the tensors.
            error.__traceback__ = None
        self.facts["history"] = tracer.history.stop()
        del hollow
        model = None
        inputs, output = {}, None  # noqa: F841 (they held what the user's program would keep)
        gc.collect()
        cards.close()
        self.facts["seconds"] = round(time.monotonic() - started, 3)
        self.facts["peaks"] = [
            {"index": index, **peak} for index, peak in sorted(tracer.peaks.items())
        ]

    def _call(self, model: Any, inputs: dict[str, Any]) -> Any:
        """What the user's program does; returns what it would keep."""
        workload = self._workload
        if workload.get("mode") == "forward":
            kept = workload.get("logits_to_keep")
            return model(**inputs, **({} if kept is None else {"logits_to_keep": kept}))
        wishes = {name: workload[name] for name in GENERATING if name in workload}
        output = model.generate(
            **inputs, max_new_tokens=workload["new_tokens"], do_sample=False, **wishes
        )
        self.facts["new_tokens"] = int(output.shape[1] - inputs["input_ids"].shape[1])
        return output

    def _describe_load(self, config: Any) -> list[tuple[int, int]]:
        """Sizes as the processor makes them; returns the images' (width, height)."""
        patch = config.vision_config.patch_size
        fewest, most = limits(patch, self._folder)
        most = self._workload.get("max_pixels") or most
        bounds = min(fewest, most), most
        images = [
            resized(width, height, patch * MERGE, *bounds)
            for width, height in self._workload["images"]
        ]
        videos = [tuple(video) for video in self._workload.get("videos") or ()]
        spans = visual_spans(config, images, videos)
        self.facts["load"] = {
            "images": images,
            "patches": [width * height // patch**2 for width, height in images],
            "video_patches": [math.prod(video_grid_of(config, *video)) for video in videos],
            "prompt_tokens": self._workload["text_tokens"]
            + sum(lead + count + 2 for lead, _, count in spans),
            "batch": self._workload["batch"],
        }
        return images

    def _describe_weights(self, hollow: Any) -> None:
        config = hollow.config
        stored = place.safetensors_bytes(self._folder)
        self.facts.update(
            selected={
                "vision": getattr(config.vision_config, "_attn_implementation", None),
                "text": getattr(config.get_text_config(), "_attn_implementation", None),
            },
            weights="checkpoint" if stored else "random",
            weights_need_bytes=stored
            or place.parameter_bytes(hollow, self._torch, self._workload["dtype"]),
        )

    def _placement(self, hollow: Any, cards: Cards | NoCards) -> dict[str, Any]:
        if not cards.rows:
            placement: dict[str, Any] = {"": "cpu"}
        elif self._workload["device_map"] in place.PLANNED:
            placement = place.plan(
                self._torch,
                hollow,
                self._workload["device_map"],
                self._workload["dtype"],
                self._most_weights(),
            )
        else:
            placement = {"": cards.rows[0]["index"]}
        self.facts["placement"] = {name: str(device) for name, device in placement.items()}
        return placement

    def _most_weights(self) -> dict[int, int] | None:
        wish = self._workload.get("max_memory")
        return None if wish is None else {int(index): int(room) for index, room in wish.items()}

    def _on_devices(
        self, config: Any, hollow: Any, placement: dict[str, Any], tracer: Tracer
    ) -> Any:
        """The checkpoint's model, or the hollow one filled with random weights."""
        dtype, device_map = self._workload["dtype"], self._workload["device_map"]
        if self.facts["weights"] == "checkpoint":
            wish = device_map if device_map in place.PLANNED else placement
            model = place.load(
                self._torch,
                config,
                str(self._folder),
                dtype,
                self._attention,
                wish,
                self._most_weights(),
            )
            self.facts["placement"] = {
                name: str(device)
                for name, device in getattr(model, "hf_device_map", placement).items()
            }
            return model
        place.fill(self._torch, hollow, placement, dtype, tracer)
        if device_map in place.PLANNED:
            place.dispatch(hollow, placement)
        return hollow

    def _weigh(self, model: Any, cards: Cards | NoCards, started: float) -> None:
        self.facts["load_seconds"] = round(time.monotonic() - started, 3)
        self.facts["weights_by_device"] = place.weights_by_device(model)
        allocated = {row["index"]: row["allocated_bytes"] for row in cards.readings()}
        for row in cards.rows:
            row["weights_bytes"] = allocated[row["index"]]
        cards.reset_peaks()


def _require_room(cards: Cards | NoCards, need: int) -> None:
    """Refuse where the weights cannot fit, unless a cap makes it safe to show the failure."""
    if not cards.rows or all(row["cap_bytes"] is not None for row in cards.rows):
        return
    wish = int(need * HEADROOM)
    if wish > cards.capacity():
        reason = f"the weights take {gib(need)}, the GPUs have {gib(cards.capacity())}"
        raise Refused("too_large", reason)
    if wish > cards.room():
        reason = (
            f"the weights take {gib(need)}, and only {gib(cards.room())} can be used "
            "without taking memory from other processes"
        )
        raise Refused("in_use", reason)
