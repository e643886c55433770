"""Changes to a workload that may make it fit, smallest first.

Runs in the target: standard library only. A change is a set of the fields that
`qvl_checks.memory.workload_run.run_on_gpus` takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qvl_checks.memory.placement import PLANNED

IMPLEMENTATIONS = ("sdpa", "flash_attention_2", "eager")
CHUNK = 1024
"""Tokens that a prefill takes at once: large enough to keep the GPU busy."""
SPARE = 2**30
"""Left free on the first card beside its activations: what else arrives there."""
MIB = 2**20


class Offered(NamedTuple):
    """What the installed release can do."""

    logits_to_keep: bool
    prefill_chunk: bool
    flash_attention: bool


class Change(NamedTuple):
    """One change."""

    name: str
    fields: Mapping[str, Any]


def offered(model: Mapping[str, Any], config: Any) -> Offered:
    """What this transformers offers for this model."""
    import importlib.util
    import inspect

    from transformers import GenerationConfig, GenerationMixin

    from qvl_checks.models.build import model_class

    parameters = inspect.signature(model_class(config).forward).parameters
    return Offered(
        logits_to_keep="logits_to_keep" in parameters,
        # Chunks of a prompt with images work since generate encodes these beforehand.
        prefill_chunk=hasattr(GenerationConfig(), "prefill_chunk_size")
        and hasattr(GenerationMixin, "_prepare_multimodal_encoder_kwargs_for_generation"),
        flash_attention=importlib.util.find_spec("flash_attn") is not None,
    )


def implementations(selected: Mapping[str, Any]) -> list[Change]:
    """Every attention implementation but the one that all parts use already."""
    used = set(selected.values())
    return [Change(name, {"attention": name}) for name in IMPLEMENTATIONS if used != {name}]


def small_changes(
    workload: Mapping[str, Any],
    prediction: Mapping[str, Any],
    gpus: Sequence[Mapping[str, Any]],
    visible: int,
    can: Offered,
) -> Iterator[Change]:
    """Those that cost no quality, for a workload that is predicted as given not to fit."""
    phases = {device["peak_phase"] for device in prediction["devices"]}
    forward = workload.get("mode") == "forward"
    if forward and can.logits_to_keep:
        yield Change("logits_to_keep=1", {"logits_to_keep": 1})
    if not forward and can.prefill_chunk and phases & {"text", "logits"}:
        yield Change(f"prefill_chunk_size={CHUNK}", {"prefill_chunk": CHUNK})
    if workload["device_map"] not in PLANNED and visible > 1:
        yield Change('device_map="auto"', {"device_map": "auto"})
    elif workload["device_map"] in PLANNED and len(gpus) > 1:
        room = room_for_weights(prediction, gpus)
        if room is not None:
            yield Change("max_memory", {"device_map": "auto", "max_memory": room})
    if workload["dtype"] == "float32":
        yield Change("bfloat16", {"dtype": "bfloat16"})


def room_for_weights(
    prediction: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]]
) -> dict[str, int] | None:
    """``max_memory`` that leaves the first card room for what it computes; None: there is none."""
    first = prediction["devices"][0]
    scratch = first["peak_allocated_bytes"] - first["weights_bytes"]
    room = gpus[0]["usable_bytes"] - scratch - SPARE
    if room <= 0:
        return None
    rooms = {str(gpu["index"]): gpu["usable_bytes"] for gpu in gpus}
    rooms[str(gpus[0]["index"])] = room
    return {index: size // MIB * MIB for index, size in rooms.items()}
