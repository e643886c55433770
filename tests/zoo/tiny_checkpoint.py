"""``python tiny_checkpoint.py FAMILY FOLDER``: a small checkpoint laid out like the published ones.

Random weights, saved by transformers itself in two shards with an index; config.json in the
published layout, which every release reads; a byte-level tokenizer with the families' special
tokens; the processor's files. Runs in a child: it imports torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from qvl_checks.models.build import make_config, make_model
from qvl_checks.models.catalogue import published_config
from qvl_checks.models.tiny import shrink

SIZES = {"qwen2_vl": "Qwen2-VL-7B", "qwen2_5_vl": "Qwen2.5-VL-7B", "qwen3_vl": "Qwen3-VL-8B"}
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
IDS_IN_CONFIG = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "bos_token_id": "<|endoftext|>",
    "eos_token_id": "<|im_end|>",
    "pad_token_id": "<|endoftext|>",
}
PROCESSORS = {
    "qwen2_vl": "Qwen2VLProcessor",
    "qwen2_5_vl": "Qwen2_5_VLProcessor",
    "qwen3_vl": "Qwen3VLProcessor",
}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(path: Path, content: dict[str, Any]) -> None:
    """A JSON file as the hub has them."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_tokenizer(folder: Path, family: str) -> dict[str, int]:
    """A tokenizer of single bytes; returns the ids of the special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {
        letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write(
        folder / "tokenizer_config.json",
        {
            "added_tokens_decoder": {
                str(ids[token]): {"content": token, "special": True, **flags} for token in SPECIAL
            },
            "additional_special_tokens": list(SPECIAL[1:]),
            "chat_template": TEMPLATE,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 131072,
            "processor_class": PROCESSORS[family],
            "tokenizer_class": "Qwen2Tokenizer",
        },
    )
    write(folder / "chat_template.json", {"chat_template": TEMPLATE})
    return ids


def save_processor(folder: Path, family: str) -> None:
    """The image processor's settings, and where the family has one the video processor's."""
    shared = {"merge_size": 2, "temporal_patch_size": 2, "processor_class": PROCESSORS[family]}
    if family == "qwen3_vl":
        half = {"patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        image = {"image_processor_type": "Qwen2VLImageProcessorFast", **half}
        image["size"] = {"shortest_edge": 65536, "longest_edge": 16777216}
        video = {"video_processor_type": "Qwen3VLVideoProcessor", **half}
        video["size"] = {"shortest_edge": 4096, "longest_edge": 25165824}
        write(folder / "video_preprocessor_config.json", {**shared, **video})
    else:
        image = {
            "image_processor_type": "Qwen2VLImageProcessor",
            "patch_size": 14,
            "min_pixels": 3136,
            "max_pixels": 12845056,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
        }
    write(folder / "preprocessor_config.json", {**shared, **image})


def main(family: str, folder: Path) -> None:
    """Build and save it.

    Raises:
        RuntimeError: transformers did not save it in two shards.
    """
    folder.mkdir(parents=True)
    ids = save_tokenizer(folder, family)
    save_processor(folder, family)
    config = shrink(published_config(SIZES[family]))
    tokens = {key: ids[token] for key, token in IDS_IN_CONFIG.items()}
    config.update(tokens)
    if "text_config" in config:
        config["text_config"].update({key: tokens[key] for key in tokens if "vision" not in key})
    model = make_model(make_config(config))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    model.save_pretrained(folder, max_shard_size=int(weights * 0.6))
    shards = sorted(path.name for path in folder.glob("model-*.safetensors"))
    if len(shards) != 2:
        raise RuntimeError(f"expected two shards, got {shards}")
    write(folder / "config.json", config)
    eos = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    generation = {"do_sample": True, "temperature": 0.1, "top_k": 1, "eos_token_id": eos}
    write(folder / "generation_config.json", {**generation, "pad_token_id": eos[1]})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
