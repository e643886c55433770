"""Advice on the KV cache."""

from __future__ import annotations

from .entry import Advice, advice, code

ADVICE = {
    "kv-cache.cache-disabled": Advice(
        (
            "The KV cache is off, so every new token recomputes the whole prompt and the time "
            "per token grows. Reasons: use_cache=False passed or saved in the config after "
            "training, or gradient checkpointing on a model in training mode, which sets "
            "use_cache=False."
        ),
        (
            code(
                (
                    "model.eval(); model.gradient_checkpointing_disable(); "
                    "model.config.use_cache = True"
                ),
                "before generate()",
                "safe",
            ),
            code("model.generate(**inputs, use_cache=True)", "", "safe"),
            advice("Check use_cache in generation_config.json and config.json (text_config too)."),
        ),
        ("Time the first and a later decode step.",),
    ),
    "kv-cache.quantized-cache-corruption": Advice(
        (
            "A quantised KV cache (int4, cache_implementation='quantized', quanto or hqq) "
            "corrupts Qwen2/Qwen2.5 models: the huge k_proj bias makes outliers that 4 bits "
            "cannot hold (0 of 120 against 98 of 120 answers right; Mistral loses nothing)."
        ),
        (
            code(
                "model.generate(**inputs)",
                "without cache_implementation='quantized': the default (bf16 or fp16) cache",
                "safe",
            ),
            code('cache_config={"nbits": 8}', "8-bit if memory forces it"),
            advice("Save memory elsewhere: fewer visual tokens (max_pixels)."),
        ),
        confidence="reported",
    ),
    "kv-cache.cache-size": Advice(
        (
            "The KV cache takes 2 x layers x kv_heads x head_dim x 2 bytes a token (bf16), "
            "times batch and beams: 56 KiB (57344 B) for Qwen2/2.5-VL-7B, 28 KiB for "
            "Qwen2-VL-2B, 36 KiB for 2.5-VL-3B, 256 KiB for 32B, 320 KiB for 72B, 144 KiB for "
            "Qwen3-VL-4B/8B, 512 KiB for the old Qwen-VL-Chat. 32768 tokens on a 7B are 1.75 "
            "GiB."
        ),
        (
            advice("Shorten the context (max_pixels, fewer frames), reduce batch size and beams."),
            code(
                'model.generate(**inputs, cache_implementation="offloaded")',
                "slower, keeps the cache in CPU memory",
            ),
        ),
    ),
    "kv-cache.cache-broken": Advice(
        (
            "Code written for another release handles the cache object: tuples became Cache "
            "objects, and methods were renamed or removed."
        ),
        (
            advice(
                "Use past_key_values.get_seq_length() and the Cache API of the installed "
                "transformers, or the release that the code was written for."
            ),
        ),
    ),
}
