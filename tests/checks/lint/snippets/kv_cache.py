"""Rules about kv cache."""

from .parts import GEN, HEAD, HEAD3, READY, READY3

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "kv-cache.cache-disabled": (
        [
            (
                "4.57.1",
                HEAD
                + READY
                + "g = transformers.GenerationConfig.from_model_config(m.config)\n"
                + "g.use_cache = False  #!\ny = m.generate(**x, generation_config=g)\n",
            ),
            ("4.57.1", HEAD + READY + "y = m.generate(**x, use_cache=False)  #!\n"),
            ("4.57.1", HEAD + READY + "m.generation_config.use_cache = False  #!\n" + GEN),
            (
                "4.57.1",
                HEAD
                + READY
                + "g = transformers.GenerationConfig(use_cache=False)  #!\ny = m.generate(**x,"
                " generation_config=g)\n",
            ),
            ("4.57.1", HEAD + READY + "m.gradient_checkpointing_enable()  #!\nm.train()\n" + GEN),
            (
                "4.51.3",
                HEAD
                + READY.replace("dtype=", "torch_dtype=", 1)
                + "m.config.use_cache = False  #!\n"
                + GEN,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + READY + "m.gradient_checkpointing_enable()\nm.train()\nm.eval()\n" + GEN,
            ),
            ("4.57.1", HEAD + READY + "m.gradient_checkpointing_enable()\n" + GEN),
            (
                "4.57.1",
                HEAD + READY + "m.config.use_cache = False\nm.config.use_cache = True\n" + GEN,
            ),
            ("4.57.1", HEAD + READY + "o = m(**x, use_cache=False)\n"),
        ],
    ),
    "kv-cache.quantized-cache-corruption": (
        [
            (
                "4.57.1",
                HEAD + READY + "y = m.generate(**x, cache_implementation='quantized')  #!\n",
            ),
            (
                "4.57.1",
                HEAD + READY + "m.generation_config.cache_implementation = 'quantized'  #!\n" + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = transformers.QuantizedCache('quanto', m.config, nbits=4)  #!\ny ="
                " m.generate(**x, past_key_values=k)\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + READY
                + "y = m.generate(**x, cache_implementation='quantized', cache_config={'nbits':"
                " 8})\n",
            ),
            ("4.57.1", HEAD3 + READY3 + "y = m.generate(**x, cache_implementation='quantized')\n"),
            ("4.57.1", HEAD + READY + "y = m.generate(**x, cache_implementation='static')\n"),
        ],
    ),
}
