"""Attributes that an object does not have: which class lacks what decides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from ...knowledge import Family, knowledge
from ...model import Computed
from ...page import fold
from ...rule import Case, Hit
from .classes import family_of, upgrade

_ATTRIBUTE = re.compile(
    r"['\"`]?(\w*qwen\w{0,80})['\"`]?(?:\s{1,3}object)?\s{1,3}has no attribute\s{1,"
    r"3}['\"`]?(\w{1,60}(?: \w{1,30}(?=['\"`]))?)"
)
_TEXT_FIELDS = {
    "hidden_size",
    "vocab_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "max_position_embeddings",
    "rope_theta",
    "rms_norm_eps",
    "hidden_act",
    "max_window_layers",
    "sliding_window",
    "use_sliding_window",
    "head_dim",
    "rope_scaling",
    "tie_word_embeddings",
    "attention_dropout",
    "initializer_range",
    "num_experts",
    "pad_token_id",
}
_MOVED = {
    "embed_tokens",
    "layers",
    "norm",
    "get_rope_index",
    "visual",
    "language_model",
    "model",
    "rope_deltas",
    "lm_head",
    "rotary_emb",
    "get_image_features",
    "merger",
    "blocks",
}
_VISION_FIELDS = {
    "embed_dim",
    "fullatt_block_indexes",
    "window_size",
    "out_hidden_size",
    "deepstack_visual_indexes",
    "mlp_ratio",
    "tokens_per_second",
    "num_position_embeddings",
}
FIELDS = frozenset(_TEXT_FIELDS | _MOVED | _VISION_FIELDS)
"""Every attribute that a message is read for."""
_NESTED = re.compile(r"['\"`]?dict['\"`]? object has no attribute ['\"`]?model_type")
_SKEW_CLASS = re.compile(r"tokenizer|processor")


def attributes(case: Case) -> Iterator[Hit]:
    """``'Qwen… object' has no attribute …``: which class lacks what decides."""
    nested = _NESTED.search(case.page.low)
    if nested and case.clues.family:
        # A nested configuration of a type that the release does not know stays a plain dict.
        yield Hit(
            "versions.unknown-model-type",
            82,
            [case.page.line_at(nested.start())],
            {"minimum_transformers": case.clues.family.since},
            [f"{case.clues.family.name} needs transformers {case.clues.family.since} or newer."],
            [upgrade(case.clues.family.since)],
        )
    matches = list(_ATTRIBUTE.finditer(case.page.low))
    for match in matches[-4:]:
        # A screenshot loses underscores.
        owner, name = match.group(1), match.group(2).replace(" ", "_")
        line = case.page.line_at(match.start())
        family = family_of(fold(owner))
        computed: dict[str, Computed] = {"class": owner, "attribute": name}
        if (
            owner.startswith("qwentokenizer")
            or owner.startswith("qwenlm")
            or owner.startswith("qwenconfig")
        ):
            yield Hit("versions.legacy-chat-environment", 92, [line], computed)
        elif name == "is_causal" and "vision" in owner:
            yield Hit("attention.flash-attention-broken-release", 96, [line], computed)
        elif name in ("_flash_attention_forward", "_upad_input", "_attn") or name.startswith(
            "_flash_attn"
        ):
            yield Hit("versions.removed-private-classes", 92, [line], computed)
        elif "visionconfig" in owner and name in _VISION_FIELDS:
            yield from _wrong_class(case, line, computed, family)
        elif _SKEW_CLASS.search(owner):
            yield from _skew(owner, name, line, computed, family)
        elif owner.endswith("config") and name in _TEXT_FIELDS:
            yield Hit(
                "versions.moved-attributes",
                92,
                [line],
                {**computed, "new_path": f"config.text_config.{name}"},
                [
                    (
                        f"Read config.text_config.{name} (or config.get_text_config().{name}); the "
                        f"flat field is gone in transformers 5."
                    )
                ],
            )
        elif owner.endswith("config"):
            yield Hit(
                "versions.framework-model-skew",
                88,
                [line],
                {**computed, **({"minimum_transformers": family[1].since} if family else {})},
            )
        elif name in _MOVED or name in _TEXT_FIELDS:
            yield Hit("versions.moved-attributes", 93, [line], computed)
        elif name in ("logits_to_keep", "num_logits_to_keep"):
            yield Hit("versions.framework-model-skew", 80, [line], computed)


def _wrong_class(
    case: Case, line: int, computed: dict[str, Computed], family: tuple[str, Family] | None
) -> Iterator[Hit]:
    right = family[1].model_class if family else ""
    notes = (
        [f"The configuration belongs to {family[1].name}: load it with {right}."] if family else []
    )
    yield Hit(
        "checkpoint.wrong-model-class",
        92,
        [line],
        {**computed, **({"right_class": right} if right else {})},
        notes,
    )


def _skew(
    owner: str,
    name: str,
    line: int,
    computed: dict[str, Computed],
    family: tuple[str, Family] | None,
) -> Iterator[Hit]:
    if name in (
        "tokenizer",
        "image_processor",
        "image_token",
        "video_token",
        "image_token_id",
        "video_token_id",
        "video_processor",
        "apply_chat_template",
        "_get_num_multimodal_tokens",
        "vision_start_token",
        "get_max_image_patches",
        "get_number_of_image_patches",
        "get_num_of_image_patches",
        "get_num_video_tokens",
    ):
        floors = [family[1].since] if family else []
        if name in knowledge().processor_attributes:
            floors.append(knowledge().processor_attributes[name])
        if floors:
            computed = {**computed, "minimum_transformers": max(floors, key=Version)}
        yield Hit("versions.framework-model-skew", 92, [line], computed)
    elif name in ("max_pixels", "min_pixels") and "imageprocessor" in owner:
        yield Hit("images.pixel-limit-ignored", 70, [line], computed)
