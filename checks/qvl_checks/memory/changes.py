"""What can be changed about a workload with the installed release.

Runs in the target: standard library only. A change is a set of fields of the workload and of those
that `qvl_checks.memory.workload_run.run_on_gpus` takes beyond them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
    processes: bool = True
    """Whether a run may take several processes, as tensor parallelism does."""


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


def others(selected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every attention implementation but the one that all parts use already."""
    used = set(selected.values())
    return [{"attention": name} for name in IMPLEMENTATIONS if used != {name}]


def name_of(fields: Mapping[str, Any]) -> str:
    """A change in a word or two: ``sdpa, max_pixels=1003520``."""
    words = []
    for key, value in fields.items():
        if key == "attention":
            words.append(str(value))
        elif key == "max_memory":
            words.append("max_memory")
        elif key == "videos":
            words.append(f"frames={max(frames for _, _, frames in value)}")
        elif not (key == "device_map" and "max_memory" in fields):
            words.append(f"{key}={value}")
    return ", ".join(words)


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
