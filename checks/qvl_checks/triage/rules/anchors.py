"""Weak rules of last resort: a term that belongs to one cause only, a Qwen model, and a complaint.

They score below every other rule, so they speak only where nothing better does.
"""

from __future__ import annotations

from ..rule import Rule

_ANCHORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kv-cache.quantized-cache-corruption", ("kv_quant",)),
    ("devices.slow-conv3d", ("conv3d",)),
    ("attention.flash-attention-3-slow-vision", ("fa3", "slow|timing")),
    ("attention.gqa-math-fallback", ("gqa", "old_gpu|cuda_cap_7|slow")),
    ("attention.linear-attention-fallback", ("lm_accelerated",)),
    ("attention.mixed-attention-implementations", ("lm_eager_vision_flash",)),
    ("attention.sliding-window-ignored-config", ("sliding",)),
    (
        "attention.eager-precision-drift",
        ("eager", "accuracy_drop|different_output|repeat|garbled|nan"),
    ),
    ("generation.stale-rope-deltas", ("rope_deltas",)),
    ("video.frame-times-dropped", ("second_per_grid",)),
    ("video.video-metadata-missing", ("no_metadata", "video")),
    ("video.video-markers-doubled", ("markers_doubled",)),
    ("video.video-reader-hang", ("video_reader", "hang")),
    ("memory.max-memory-ignored", ("max_memory",)),
    ("memory.dispatch-undone", ("moved_again", "device_map_auto")),
    ("memory.long-video-memory", ("oom", "video")),
    ("memory.memory-fragmentation", ("memory_grows",)),
    ("memory.unbounded-image-size", ("oom", "image")),
    ("devices.tensor-parallel-plan-missing", ("tp", "word:tp_plan")),
    ("devices.peer-copy-corruption", ("p2p",)),
    ("devices.visible-devices-set-late", ("visible", "late")),
    ("devices.driver-too-old", ("driver", "garbled|hang|nan")),
    ("checkpoint.fp8-checkpoint-unsupported", ("fp8", "word:transformers|word:from_pretrained")),
    ("checkpoint.vision-tower-quantized", ("vision_quantized",)),
    ("checkpoint.awq-garbled", ("awq", "garbled|bangs|accuracy_drop|empty_output|word:lm_head")),
    ("checkpoint.adapter-keys-unmatched", ("lora", "same_as_base|rekey")),
    ("generation.padding-side", ("padding", "batch")),
    (
        "generation.endless-repetition",
        ("repeat", "word:max_new_tokens|word:repetition|word:never|word:无限|word:一直|word:不断"),
    ),
    ("kv-cache.cache-disabled", ("use_cache_off", "slow|timing")),
    ("kv-cache.cache-size", ("kv_cache", "how_much|cache_growth")),
    ("images.pixel-limit-ignored", ("pixel_setting", "ignored")),
    (
        "images.wrong-image-patch-size",
        ("patch14", "family:qwen3_vl|family:qwen3_vl_moe|family:qwen3_5"),
    ),
    (
        "images.fast-slow-processor-difference",
        ("fast_slow", "different_output|accuracy_drop|word:slight|word:细微"),
    ),
    ("images.processor-size-leak", ("leak", "pixel_setting")),
    ("checkpoint.output-head-mismatch", ("tied", "word:tie_word_embeddings|word:missing")),
    ("attention.fp16-overflow", ("fp16", "garbled|nan|bangs|accuracy_drop")),
)
_NUMERIC = {
    "attention.fp16-overflow",
    "attention.eager-precision-drift",
    "devices.peer-copy-corruption",
    "checkpoint.awq-garbled",
    "checkpoint.vision-tower-quantized",
    "kv-cache.quantized-cache-corruption",
    "attention.gqa-math-fallback",
}
RULES: tuple[Rule, ...] = tuple(
    Rule(id_, 52, needs=(*needs, "qwen", "trouble"), numeric=id_ in _NUMERIC)
    for id_, needs in _ANCHORS
)
