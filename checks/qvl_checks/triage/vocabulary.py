"""The words that rules look for: what a misread text is put right by."""

from __future__ import annotations

import re
from functools import cache

from .knowledge import knowledge
from .mending import Vocabulary
from .rules import RULES
from .rules.names.attributes import FIELDS

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{5,80}")
#: Words of messages that detectors read with regular expressions.
_OF_DETECTORS = (
    "AttributeError allocate attribute automodel capacity cannot configuration device expected "
    "flash_attn flash_attn_2_cuda flash_attn_3_cuda features import instantiate memory module "
    "object recognize symbol tensors torchvision transformers undefined unexpected keyword "
    "is_available attn_implementation flash_attention_2 flash_attention_3 from_pretrained "
    "device_map max_memory max_pixels min_pixels image_grid_thw process_vision_info qwen_vl_utils "
    "padding_side use_cache tie_word_embeddings text_config vision_config trust_remote_code "
    "CUDA_VISIBLE_DEVICES torch_dtype bfloat16 float16 batch_decode max_new_tokens importing "
    "available installed unallocated including libcudart index_first_axis "
    "modeling_flash_attention_utils"
)


@cache
def vocabulary() -> Vocabulary:
    """Every longer word of the rules' phrases and conditions, and the published classes."""
    texts = [phrase for rule in RULES for phrase in rule.says]
    texts += [part for rule in RULES for need in rule.needs for part in need.split("|")]
    words = {word for text in texts for word in _WORD.findall(text)}
    for family in knowledge().families.values():
        stem = family.model_class.removesuffix("ForConditionalGeneration")
        words |= {
            f"{stem}{suffix}"
            for suffix in (
                "ForConditionalGeneration",
                "Config",
                "Model",
                "TextModel",
                "Processor",
                "Attention",
                "FlashAttention2",
                "SdpaAttention",
                "VisionAttention",
                "VisionFlashAttention2",
                "VisionSdpaAttention",
                "VisionConfig",
            )
        }
    words |= set(knowledge().auto_classes) | FIELDS | set(_OF_DETECTORS.split())
    return Vocabulary(words)
