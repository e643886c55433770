"""kv-cache.cache-size: does a token take what the formula says?"""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.kv_cache.behaviour_facts import CacheFacts
from qvl_checks.kv_cache.context import Room, room, stops_at_the_window
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed

KIB = 1024
MIB = 1024**2
GIB = 1024**3
CONTEXT = 32768


@check("kv-cache.cache-size")
def cache_size(
    cache: CacheFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    nvml: NvmlFacts | None,
    files: CheckpointFilesFacts | None,
) -> Judgement:
    """Fails only if the measured growth per token is not what the formula says."""
    if cache.reason:
        return inconclusive(f"Not measured: {cache.reason}")
    if cache.refused:
        return blocked("The configuration is refused: see kv-cache.cache-disabled")
    measured, formula = cache.measured_bytes_per_token, cache.formula_bytes_per_token
    if measured is None or not formula:
        return inconclusive("The tensors of the cache could not be read")
    per_token = cache.model_bytes_per_token
    space = room(nvml, cache, model, workload, files)
    evidence: dict[str, Any] = {
        "bytes_per_token": per_token,
        "bytes_per_sequence": cache.model_fixed_bytes,
        "dtype": cache.dtype,
        "gib_for_32768_tokens": round(per_token * CONTEXT * workload.batch / GIB, 3),
        "batch": workload.batch,
        "model": model.name,
        **msgspec.structs.asdict(cache.model_layers),
        "small_model_measured_bytes_per_token": measured,
        "small_model_formula_bytes_per_token": formula,
        "small_model_layers": [msgspec.structs.asdict(layer) for layer in cache.layers],
        "free_memory": msgspec.structs.asdict(space) if space else None,
    }
    if measured != formula:
        return failed(
            f"The KV cache grows by {measured / formula:.2f} times what its formula says",
            f"A small model's cache grows by {measured:g} bytes per token in float32; 2 x layers x "
            f"key/value heads x head size x 4 bytes gives {formula}. The difference is "
            f"{measured - formula:+g} bytes per token, so a context needs more or less memory "
            "than planned.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=(
                Fix.advise(
                    f"Plan with {per_token * measured / formula / KIB:.1f} KiB per token and "
                    "sequence for this model, and look for a cache class or a setting "
                    "(cache_implementation) that stores more or less than one key and value "
                    "per head."
                ),
            ),
        )
    layers = cache.model_layers
    return passed(
        f"The KV cache of this model takes {per_token / KIB:g} KiB per token",
        f"2 x {layers.full_attention_layers + layers.sliding_layers} layers x {layers.kv_heads} "
        f"key/value heads x {layers.head_dim} x {cache.dtype}: "
        f"{evidence['gib_for_32768_tokens']:g} GiB for {CONTEXT} tokens at batch "
        f"{workload.batch}. The formula was confirmed on a small model's tensors."
        f"{_other_layers(cache)}{_room_words(space, cache, workload)}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _other_layers(cache: CacheFacts) -> str:
    """What the layers keep that do not keep every token."""
    layers = cache.model_layers
    text = ""
    linear = layers.layers - layers.full_attention_layers - layers.sliding_layers
    if linear:
        text += f" Only {layers.full_attention_layers} of {layers.layers} layers keep every token."
        if cache.model_fixed_bytes:
            text += (
                f" The other {linear} keep {cache.model_fixed_bytes / MIB:.1f} MiB per sequence, "
                "however long it is."
            )
    if layers.sliding_layers:
        text += f" {layers.sliding_layers} layers see only {layers.window} tokens, and "
        text += (
            "keep no more than those."
            if stops_at_the_window(cache)
            else f"transformers {cache.transformers} keeps all tokens for them as well."
        )
    return text


def _room_words(space: Room | None, cache: CacheFacts, workload: WorkloadFacts) -> str:
    if space is None:
        return ""
    where = "GPU 0" if space.cards == 1 else f"{space.cards} GPUs"
    text = f" {where} has {space.free_bytes / GIB:.1f} GiB to give now"
    if space.cards > 1:
        text = text.replace(" has ", " have ")
    if space.others_bytes > GIB:
        text += f" (others hold {space.others_bytes / GIB:.1f} GiB)"
    if space.weights_bytes is None:
        text += "; no real model was named, so no weights are counted"
    elif not space.cache_bytes:
        return f"{text}, which the weights of {space.weights_bytes / GIB:.1f} GiB leave no room in."
    else:
        text += f", less {space.weights_bytes / GIB:.1f} GiB of weights"
    sequences = f" for each of {workload.batch} sequences" if workload.batch > 1 else ""
    text += f" and 1 GiB per card set aside: room for {space.tokens} tokens{sequences}"
    positions = cache.model_positions
    if positions and space.tokens > positions:
        text += f", more than the {positions} positions of the model"
    return text + "."
