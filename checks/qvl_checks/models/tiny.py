"""The same architecture, small: a few layers and heads, the real head sizes."""

from __future__ import annotations

import copy
from typing import Any

VOCABULARY = 1024
TEXT_LAYERS = 4
"""Enough for a first, a last and one full-attention layer of the hybrid families."""
TEXT_HEADS = 4
KV_HEADS = 2
TEXT_WIDTH = 512
VISION_DEPTH = 2
VISION_HEADS = 2
TOKENS = {
    "image_token_id": 1001,
    "video_token_id": 1002,
    "vision_start_token_id": 1003,
    "vision_end_token_id": 1004,
    "bos_token_id": 1005,
    "eos_token_id": 1006,
    "pad_token_id": 1007,
}
SMALLER = {
    "moe_intermediate_size": 128,
    "shared_expert_intermediate_size": 128,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "decoder_sparse_step": 1,
}


def shrink(config: dict[str, Any]) -> dict[str, Any]:
    """A config of the same family and layout with a few layers and heads; head sizes are kept.

    Weights of quantised checkpoints are not imitated: the tiny model computes in plain floats.
    """
    small = copy.deepcopy(config)
    small.pop("quantization_config", None)
    text = small["text_config"] if isinstance(small.get("text_config"), dict) else small
    _shrink_text(text)
    if isinstance(small.get("vision_config"), dict):
        small["vision_config"] = _shrink_vision(small["vision_config"], _text_width(text))
    small.update(TOKENS)
    if text is not small:
        text.update({key: TOKENS[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")})
    return small


def head_dim(text: dict[str, Any]) -> int:
    """Width of one attention head of the language model."""
    explicit = text.get("head_dim")
    if isinstance(explicit, int):
        return explicit
    return int(text.get("hidden_size", 3584)) // int(text.get("num_attention_heads", 28))


def _text_width(text: dict[str, Any]) -> int:
    return int(text["hidden_size"])


def _shrink_text(text: dict[str, Any]) -> None:
    width = head_dim(text)
    explicit = "head_dim" in text
    text.update(
        num_attention_heads=TEXT_HEADS,
        num_key_value_heads=min(KV_HEADS, int(text.get("num_key_value_heads", KV_HEADS))),
        # Without an explicit head_dim the head size is hidden_size / heads.
        hidden_size=TEXT_WIDTH if explicit else TEXT_HEADS * width,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=TEXT_LAYERS,
        max_window_layers=TEXT_LAYERS,
        vocab_size=VOCABULARY,
    )
    text.update({key: value for key, value in SMALLER.items() if key in text})
    text.pop("layer_types", None)


def _shrink_vision(vision: dict[str, Any], text_width: int) -> dict[str, Any]:
    small = dict(vision)
    # Qwen2-VL calls the tower's width embed_dim, and hidden_size what it hands to the text.
    width_key = "embed_dim" if "embed_dim" in small else "hidden_size"
    heads = int(small.get("num_heads", 16))
    small[width_key] = VISION_HEADS * (int(small.get(width_key, 1280)) // heads)
    small.update(depth=VISION_DEPTH, num_heads=VISION_HEADS)
    if "intermediate_size" in small:
        small["intermediate_size"] = 2 * small[width_key]
    small["out_hidden_size" if width_key == "hidden_size" else "hidden_size"] = text_width
    if "fullatt_block_indexes" in small:
        small["fullatt_block_indexes"] = [VISION_DEPTH - 1]
    if "deepstack_visual_indexes" in small:
        # Two, so that features which are handed to each other's layer show.
        small["deepstack_visual_indexes"] = list(range(VISION_DEPTH))
    return small
