"""Generation and its cache: padding, repetition, stale state, what is decoded, what is kept."""

from __future__ import annotations

from ..rule import Detector, Rule

_G = "generation."
_K = "kv-cache."
RULES: tuple[Rule, ...] = (
    Rule(_G + "padding-side", 95, says=("batched generation with padding_side='right'", "A decoder-only architecture is being used, but right-padding was detected", "perform batched generation with padding_side")),
    Rule(_G + "padding-side", 76, needs=("padding", "batch|says:right|says:右", "accuracy_drop|garbled|empty_output|different_output|repeat|says:wrong"), unless=("position_ids", "oom", "says:cumsum", "eager")),
    Rule(_G + "padding-side", 66, needs=("batch", "empty_output|garbled|different_output", "says:one by one|says:batch size 1|says:batch_size=1|says:bs=1|says:bs>1|says:单条|says:逐条|says:single sample|says:batch size > 1|says:batch size larger"), unless=("position_ids", "oom", "multi_gpu", "eager")),
    Rule(_G + "endless-repetition", 72, needs=("repeat", "qwen|says:max_new_tokens|says:repetition_penalty"), unless=("eager", "fp16", "nan", "bangs", "quantized", "position_ids", "prompt_in_answer", "markers_doubled", "kv_quant", "says:index", "multi_gpu")),
    Rule(_G + "endless-repetition", 60, needs=("repeat", "says:repetition_penalty|says:max_new_tokens|says:无限重复|says:复读"), unless=("eager", "fp16", "kv_quant")),
    Rule(_G + "stale-rope-deltas", 84, needs=("rope_deltas", "several_generates|says:stale|says:second|says:wrong|different_output"), unless=("says:no attribute", "says:40490", "says:cumsum", "says:padded")),
    Rule(_G + "stale-rope-deltas", 66, needs=("several_generates", "position_ids|says:rope", "different_output|accuracy_drop|garbled"), unless=("says:padded", "says:cumsum", "batch")),
    Rule(_G + "prompt-decoded-with-answer", 78, needs=("prompt_in_answer", "says:batch_decode|says:decode|says:output|says:输出|says:generated_ids|says:结果|says:回答"), unless=("oom", "says:image features", "nan", "multi_gpu", "eager", "fp16", "lora")),
    Rule(_G + "forward-without-inference-mode", 74, needs=("no_grad", "manual_forward|memory_grows|oom"), unless=("lora",)),
    Rule(_G + "forward-without-inference-mode", 62, needs=("manual_forward", "memory_grows|oom", "says:loop|says:循环|says:grad|says:梯度", "says:model(|says:forward|says:前向"), unless=("says:frames", "says:tried to allocate")),
    Rule(_K + "cache-disabled", 82, says=("is incompatible with gradient checkpointing. Setting `use_cache=False`", "is incompatible with gradient checkpointing`. Setting", "Caching is incompatible with gradient checkpointing in", "incompatible with gradient checkpointing. Setting `past_key_values", "`use_cache = True` is incompatible with gradient checkpointing")),
    Rule(_K + "cache-disabled", 82, needs=("use_cache_off", "slow|per_token_slow")),
    Rule(_K + "cache-disabled", 70, needs=("per_token_slow",), unless=("conv3d", "video_reader", "torch29", "oom")),
    Rule(_K + "cache-disabled", 62, needs=("use_cache_off", "qwen|says:generate|says:推理"), unless=("oom", "garbled", "nan")),
    Rule(_K + "quantized-cache-corruption", 88, needs=("kv_quant", "garbled|accuracy_drop|repeat|nan|different_output|says:wrong|says:corrupt"), unless=("engine:llama.cpp",)),
    Rule(_K + "cache-size", 74, needs=("cache_growth", "how_much|says:formula|says:公式|says:per token|says:estimate|says:grows|says:linear|oom"), unless=("kv_quant", "says:vision block", "use_cache_off", "eager")),
    Rule(_K + "cache-size", 66, needs=("kv_cache", "how_much|oom|long_prompt"), unless=("kv_quant", "use_cache_off", "per_token_slow", "garbled", "eager", "says:tried to allocate")),
    Rule(_K + "cache-broken", 78, says=("'DynamicCache' object has no attribute", "'tuple' object has no attribute 'get_seq_length'", "'DynamicCache' object is not subscriptable", "'HybridCache' object has no attribute"), needs=("qwen",)),
)

DETECTORS: tuple[Detector, ...] = ()
