"""How much context the free memory holds."""

from __future__ import annotations

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.kv_cache.behaviour_facts import CacheFacts
from qvl_doctor.facts import ModelFacts, WorkloadFacts

GIB = 2**30
ELEMENT_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
SET_ASIDE = GIB
"""Per card, for the CUDA context and what a step computes with; a guess, and said to be one."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What is free now, and what of it a cache may take."""

    cards: int
    free_bytes: int
    """Of all cards that count, before the doctor took anything; at most the stated cap of each."""
    others_bytes: int
    """What other processes hold of them."""
    weights_bytes: int | None
    """None: no real model was named."""
    cache_bytes: int
    """For the cache; 0 when the weights alone do not fit."""
    tokens: int
    """Per sequence, all sequences of the batch together in that memory."""


def room(
    nvml: NvmlFacts | None,
    cache: CacheFacts,
    model: ModelFacts,
    workload: WorkloadFacts,
    files: CheckpointFilesFacts | None,
) -> Room | None:
    """Of the first card, or of all under a device map; None without a readable card."""
    cards = [card for card in nvml.devices if card.free_bytes is not None] if nvml else []
    if not workload.device_map:
        cards = cards[:1]
    if not cards or cache.model_bytes_per_token <= 0:
        return None
    cap = workload.cap_bytes
    free = sum(min(card.free_bytes or 0, cap or card.free_bytes or 0) for card in cards)
    others = sum(
        (card.total_bytes or card.free_bytes or 0) - (card.free_bytes or 0) for card in cards
    )
    weights = weights_bytes(model, workload, files)
    left = max(0, free - (weights or 0) - SET_ASIDE * len(cards))
    return Room(
        cards=len(cards),
        free_bytes=free,
        others_bytes=others,
        weights_bytes=weights,
        cache_bytes=left,
        tokens=tokens_in(left // max(workload.batch, 1), cache),
    )


def weights_bytes(
    model: ModelFacts, workload: WorkloadFacts, files: CheckpointFilesFacts | None
) -> int | None:
    """By the number of parameters of a published size, or by the checkpoint's shards."""
    if model.parameters is not None:
        return model.parameters * ELEMENT_BYTES.get(workload.dtype, 2)
    if files is not None and files.shards:
        return sum(shard.size_bytes or 0 for shard in files.shards) or None
    return None


def tokens_in(count: int, cache: CacheFacts) -> int:
    """How many tokens of one sequence a cache of ``count`` bytes holds."""
    left = count - cache.model_fixed_bytes
    if left <= 0:
        return 0
    tokens = left // cache.model_bytes_per_token
    window = cache.model_layers.window
    if not window or tokens <= window or not stops_at_the_window(cache):
        return tokens
    # Beyond the window only the layers without one grow.
    held = cache.model_layers.sliding_layers * cache.model_bytes_per_layer * window
    growing = cache.model_layers.full_attention_layers * cache.model_bytes_per_layer
    return (left - held) // growing if growing else tokens


def stops_at_the_window(cache: CacheFacts) -> bool:
    """Whether this transformers was seen to drop what a layer cannot see any more."""
    return cache.window_tokens is not None and cache.window_tokens <= 4
