"""The stage that asked for memory, read from the frames of a traceback."""

from __future__ import annotations

import re
from typing import Literal

Stage = Literal["vision", "text", "logits"]

_VISION_FRAME = re.compile(
    r"(?:in|self\.visual|visual)\(pixel_values|self\.visual\(|visionattention|"
    r"visionsdpaattention|visionblock|visiontransformer|visual\.blocks|"
    r"f\.scaled_dot_product_attention\(q, k, v"
    r"|matmul\(q, k\.transpose|attn_outputs = \[|hidden_states \+ self\.attn\(|"
    r"self\.visual\b|get_image_features|get_video_features|attn_output, _ = attention_interface"
)
_TEXT_FRAME = re.compile(
    r"decoder_layer\(|self\.self_attn\(|query_states, key_states\.transpose|"
    r"decoderlayer|language_model\.layers|attn_output, attn_weights = attention_interface"
)
_LOGITS_FRAME = re.compile(
    r"self\.lm_head\(|logits\.float\(\)|logits = logits\.float|"
    r"logits\.to\(torch\.float|lm_head\(hidden_states|upcast_logits|shift_logits"
)
LOADING = re.compile(
    r"from_pretrained\(|load_state_dict|_load_pretrained_model|model\.cuda\(\)|"
    r"model\.to\(|set_module_tensor|loading checkpoint shards|"
    r"caching_allocator_warmup|\.to\(device\)"
)
TRAINING = re.compile(
    r"optimizer\.step|\.backward\(|adamw|trainer\.py|training_step|deepspeed|fsdp|"
    r"zero_optimization|finetun|fine-tun|微调|训练"
)


def ours(low: str) -> bool:
    return (
        re.search(
            (
                r"modeling_qwen|scaled_dot_product_attention\(q, k, v, attention_mask, "
                r"dropout_p=0\.0\)|image_grid_thw"
            ),
            low,
        )
        is not None
    )


def stage(low: str) -> str | None:
    """The stage that asked for the memory, from the last frames of the traceback."""
    tail = low[-12_000:]
    last = {
        name: max((m.start() for m in pattern.finditer(tail)), default=-1)
        for name, pattern in (
            ("vision", _VISION_FRAME),
            ("text", _TEXT_FRAME),
            ("logits", _LOGITS_FRAME),
        )
    }
    name = max(last, key=lambda key: last[key])
    if last[name] < 0:
        return None
    if name == "text" and last["vision"] > last["text"] - 400 and "self.visual" in tail:
        return "vision"
    return name
