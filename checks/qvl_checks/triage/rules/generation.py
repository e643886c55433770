"""Generation and its cache: padding, repetition, stale state, what is decoded, what is kept."""

from __future__ import annotations

from ..rule import Detector, Rule

_G = "generation."
_K = "kv-cache."
RULES: tuple[Rule, ...] = (
    Rule(
        _G + "padding-side",
        95,
        says=(
            "batched generation with padding_side='right'",
            "A decoder-only architecture is being used, but right-padding was detected",
            "perform batched generation with padding_side",
        ),
    ),
    Rule(
        _G + "padding-side",
        76,
        needs=(
            "padding",
            "batch|word:right|word:右",
            "accuracy_drop|garbled|empty_output|different_output|repeat|word:wrong",
        ),
        unless=("position_ids", "oom", "word:cumsum", "eager"),
        numeric=True,
    ),
    Rule(
        _G + "padding-side",
        66,
        needs=(
            "batch",
            "empty_output|garbled|different_output|accuracy_drop",
            (
                "word:one by one|word:batch size 1|word:batch_size=1|word:bs=1|word:bs>1|"
                "word:单条|word:逐条|word:single sample|word:batch size > 1|word:batch size larger"
            ),
        ),
        unless=("position_ids", "oom", "multi_gpu", "eager"),
        numeric=True,
    ),
    Rule(
        _G + "endless-repetition",
        72,
        needs=("repeat", "qwen|word:max_new_tokens|word:repetition_penalty"),
        unless=(
            "eager",
            "fp16",
            "nan",
            "bangs",
            "quantized",
            "position_ids",
            "prompt_in_answer",
            "markers_doubled",
            "kv_quant",
            "word:index",
            "multi_gpu",
        ),
    ),
    Rule(
        _G + "endless-repetition",
        60,
        needs=("repeat", "word:repetition_penalty|word:max_new_tokens|word:无限重复|word:复读"),
        unless=("eager", "fp16", "kv_quant"),
    ),
    Rule(
        _G + "stale-rope-deltas",
        84,
        needs=(
            "rope_deltas",
            "several_generates|word:stale|word:second|word:wrong|different_output",
        ),
        unless=("word:no attribute", "word:40490", "word:cumsum", "word:padded"),
        numeric=True,
    ),
    Rule(
        _G + "stale-rope-deltas",
        66,
        needs=(
            "several_generates",
            "position_ids|word:rope",
            "different_output|accuracy_drop|garbled",
        ),
        unless=("word:padded", "word:cumsum", "batch"),
        numeric=True,
    ),
    Rule(
        _G + "prompt-decoded-with-answer",
        78,
        needs=(
            "prompt_in_answer",
            (
                "word:batch_decode|word:decode|word:output|"
                "word:输出|word:generated_ids|word:结果|word:回答"
            ),
        ),
        unless=("oom", "word:image features", "nan", "multi_gpu", "eager", "fp16", "lora"),
    ),
    Rule(
        _G + "forward-without-inference-mode",
        74,
        needs=("no_grad", "manual_forward|memory_grows|oom"),
        unless=("lora",),
    ),
    Rule(
        _G + "forward-without-inference-mode",
        62,
        needs=(
            "manual_forward",
            "memory_grows|oom",
            "word:loop|word:循环|word:grad|word:梯度",
            "word:model(|word:forward|word:前向",
        ),
        unless=("word:frames", "word:tried to allocate"),
    ),
    Rule(
        _K + "cache-disabled",
        82,
        says=(
            "is incompatible with gradient checkpointing. Setting `use_cache=False`",
            "is incompatible with gradient checkpointing`. Setting",
            "Caching is incompatible with gradient checkpointing in",
            "incompatible with gradient checkpointing. Setting `past_key_values",
            "`use_cache = True` is incompatible with gradient checkpointing",
        ),
    ),
    Rule(_K + "cache-disabled", 82, needs=("use_cache_off", "slow|per_token_slow|timing")),
    Rule(
        _K + "cache-disabled",
        72,
        says=("The expanded size of the tensor … must match the existing size",),
        needs=("use_cache_off", "qwen_vl"),
        note=(
            "The attention mask is as long as the prompt plus a cache, the mask that was made for "
            "it only as long as the prompt: one part of the program keeps a cache, the other not."
        ),
    ),
    Rule(
        _K + "cache-disabled",
        70,
        needs=("per_token_slow",),
        unless=("conv3d", "video_reader", "torch29", "oom"),
    ),
    Rule(
        _K + "cache-disabled",
        62,
        needs=(
            "use_cache_off",
            "qwen|word:generate|word:推理",
            "word:use_cache|kv_cache|slow",
        ),
        unless=("oom", "garbled", "nan"),
    ),
    Rule(
        _K + "quantized-cache-corruption",
        88,
        needs=(
            "kv_quant",
            "garbled|accuracy_drop|repeat|nan|different_output|word:wrong|word:corrupt",
        ),
        unless=("engine:llama.cpp",),
    ),
    Rule(
        _K + "cache-size",
        74,
        needs=(
            "cache_growth",
            (
                "how_much|word:formula|word:公式|word:per "
                "token|word:estimate|word:grows|word:linear|"
                "oom"
            ),
        ),
        unless=("kv_quant", "word:vision block", "use_cache_off", "eager"),
    ),
    Rule(
        _K + "cache-size",
        66,
        needs=("kv_cache", "how_much|oom|long_prompt"),
        unless=(
            "kv_quant",
            "use_cache_off",
            "per_token_slow",
            "garbled",
            "eager",
            "word:tried to allocate",
        ),
    ),
    Rule(
        _K + "cache-broken",
        78,
        says=(
            "'DynamicCache' object has no attribute",
            "'tuple' object has no attribute 'get_seq_length'",
            "'DynamicCache' object is not subscriptable",
            "'HybridCache' object has no attribute",
        ),
        needs=("qwen",),
    ),
)

DETECTORS: tuple[Detector, ...] = ()
