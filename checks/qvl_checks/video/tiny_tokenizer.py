"""A tokenizer made in memory that knows the vision markers and single bytes, nothing else.

Runs in the target: standard library only at module level, Python 3.9. It lets a processor be run
without a checkpoint; what it writes around the visual tokens does not depend on the vocabulary.
"""

from __future__ import annotations

import importlib
from typing import Any

VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
MARKERS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", VISION_START, VISION_END, IMAGE, VIDEO)


def tiny_tokenizer() -> Any:
    """A transformers tokenizer of the class that the Qwen processors ask for."""
    tokenizers = importlib.import_module("tokenizers")
    transformers = importlib.import_module("transformers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: number for number, character in enumerate(alphabet)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens(list(MARKERS))
    kinds = ("Qwen2TokenizerFast", "PreTrainedTokenizerFast")
    made_by = next(getattr(transformers, kind) for kind in kinds if hasattr(transformers, kind))
    try:
        tokenizer = made_by(tokenizer_object=backend, eos_token=MARKERS[2], pad_token=MARKERS[0])
    except Exception:  # 5.x builds this class from a vocabulary
        tokenizer = made_by(vocab=vocabulary, merges=[], eos_token=MARKERS[2], pad_token=MARKERS[0])
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    return tokenizer
