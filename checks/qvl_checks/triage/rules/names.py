"""Names that cannot be imported, classes that lack an attribute, model types that are not known.

These messages are alike, and the name in them decides: this module reads it and picks the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from ..knowledge import Family, knowledge
from ..model import Computed, Fix
from ..page import fold
from ..rule import Case, Hit

_IMPORT = re.compile(
    r"cannot\s{1,3}imp[o0]rt\s{1,3}name\s{0,3}['\"`]?([\w ]{2,80}?)['\"`]?\s{1,"
    r"3}fr[o0]m\s{1,3}(?:partially initialized module )?['\"`]?([\w./]{2,120})"
)
_NO_ATTRIBUTE = re.compile(
    r"module\s{1,3}['\"`]?transformers[\w.]{0,80}['\"`]?\s{1,3}has no "
    r"attribute\s{1,3}['\"`]?(\w{2,80})"
)
_LAZY = re.compile(r"could not import module\s{1,3}['\"`]?(\w{2,80})")
_NOT_FOUND = re.compile(
    r"could not find\s{1,3}['\"`]?(\w{2,80})['\"`]?\s{1,3}neither in|could not "
    r"find (\w{2,80}) in <module"
)
_MODULE = re.compile(r"no module named\s{1,3}['\"`]?(transformers\.models\.qwen[\w.]{2,80})")
_ATTRIBUTE = re.compile(
    r"['\"`]?(\w*qwen\w{0,80})['\"`]?(?:\s{1,3}object)?\s{1,3}has no attribute\s{1,"
    r"3}['\"`]?(\w{1,60})"
)
_KEY_ERROR = re.compile(r"keyerror:?\s{0,3}['\"`]?(qwen[\w. ]{1,24}?)['\"`]?(?:\s|$|\)|,|\.)")
_TYPE = re.compile(r"model type\s{1,3}['\"`]?([\w. ]{2,40}?)['\"`]?\s{1,3}but\s{1,3}transf")

_PRIVATE = re.compile(
    r"flash_?attention2$|sdpaattention$|_attention_classes$|"
    r"^apply_rotary_pos_emb_flashatt$|^_flash_attention_forward$|^index_first_axis$"
    r"|^_upad_input$|^flash_attn_supports|^_prepare_4d_causal|^kwargsforcausallm$|"
    r"^qwen2rmsnorm$|^flashattentionkwargs$|^visionrotaryembedding$"
    r"|^is_flash_attn_greater|^unpad_input$|^pad_input$|^lossKwargs$|^losskwargs$|"
    r"_inputs_docstring$|^apply_multimodal_rotary|^repeat_kv$|^rotate_half$"
)
_TYPO_HINT = re.compile(r"qwen.{0,12}forcond|qwen.{0,10}vlfor")
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
_SKEW_CLASS = re.compile(r"tokenizer|processor")


def _family_of(folded: str) -> tuple[str, Family] | None:
    """The family whose class the folded name belongs to, the longest match first."""
    stems = {
        "qwen2_5_omni": ("qwen25omni", "qwen2_5_omni"),
        "qwen3_omni_moe": ("qwen3omni",),
        "qwen3_vl_moe": ("qwen3vlmoe",),
        "qwen3_vl": ("qwen3vl",),
        "qwen2_5_vl": ("qwen25vl", "qwen25vision"),
        "qwen2_vl": ("qwen2vl",),
        "qwen3_5_moe": ("qwen35moe",),
        "qwen3_5": ("qwen35",),
        "qwen4_exp": ("qwen4exp",),
    }
    for model_type, names in stems.items():
        if any(folded.startswith(fold(name)) for name in names):
            return model_type, knowledge().families[model_type]
    return None


def _outdated(case: Case, family: Family) -> bool:
    return any(v >= Version(family.since) for v in case.clues.transformers_versions)


def _missing_class(case: Case, raw: str, line: int, score: float) -> Hit | None:
    known = _family_of(fold(raw))
    if known is None or "imageprocessor" in raw:
        return None
    model_type, family = known
    computed: dict[str, Computed] = {
        "class": family.model_class if "forcond" in raw else raw,
        "model_type": model_type,
        "minimum_transformers": family.since,
    }
    notes = [f"{family.name} classes first appear in transformers {family.since}."]
    squeezed = raw.replace(" ", "")
    if "forcond" in squeezed and squeezed != family.model_class.lower():
        notes.append(f"The name is misspelt, too: the class is called {family.model_class}.")
    if _outdated(case, family):
        notes.append(
            "The release of transformers that is named or installed has the class, so the script "
            "most likely runs in another interpreter than the one that was upgraded: compare "
            "`transformers.__file__` and `sys.executable` with the location that "
            "`pip show transformers` prints."
        )
    fixes = [
        Fix(
            "command",
            f'python -m pip install -U "transformers>={family.since}"',
            "review",
            "with the same python that runs the script",
        )
    ]
    return Hit("versions.model-class-missing", score, [line], computed, notes, fixes)


def _classify_import(case: Case, name: str, module: str, line: int) -> Iterator[Hit]:
    raw = name.replace(" ", "")
    auto = {key.lower(): (key, value) for key, value in knowledge().auto_classes.items()}
    from_transformers = module.startswith("transformers") or module == ""
    if raw in auto and from_transformers:
        label, facts = auto[raw]
        if facts.removed:
            yield Hit(
                "versions.removed-auto-class",
                94,
                [line],
                {"class": label, "removed_in": facts.removed, "successor": str(facts.successor)},
                [
                    (
                        f"{label} was removed in transformers {facts.removed}; its successor "
                        f"{facts.successor} exists from 4.46 on."
                    )
                ],
            )
        else:
            yield Hit(
                "versions.model-class-missing",
                92,
                [line],
                {"class": label, "minimum_transformers": facts.since},
                [
                    (
                        f"{label} exists from transformers {facts.since} on; older releases know "
                        f"AutoModelForVision2Seq or the concrete class."
                    )
                ],
                [
                    Fix(
                        "command",
                        f'python -m pip install -U "transformers>={facts.since}"',
                        "review",
                        "with the same python that runs the script",
                    )
                ],
            )
    elif re.search(r"qwen.{0,8}imageprocessor", raw):
        yield Hit(
            "images.removed-image-processor",
            93,
            [line],
            {"class": name, "successor": "Qwen2VLImageProcessor"},
        )
    elif re.search(r"qwen.{0,8}videoprocessor", raw):
        yield Hit(
            "video.video-processor-missing",
            91,
            [line],
            {"class": name, "minimum_transformers": "4.52.0"},
        )
    elif _PRIVATE.search(raw) and (
        from_transformers or "qwen" in module or "flash_attention" in module
    ):
        yield Hit("versions.removed-private-classes", 93, [line], {"name": name, "module": module})
    elif (
        raw in ("beamsearchscorer", "disjunctiveconstraint", "constrainedbeamsearchscorer")
        and case.page.says("transformers_stream_generator") is not None
    ):
        yield Hit("versions.legacy-chat-environment", 90, [line])
    elif from_transformers and "qwen" in raw:
        hit = _missing_class(case, raw, line, 92)
        if hit:
            yield hit
    elif module.startswith(("huggingface_hub", "tokenizers")) and re.search(
        r"site-packages/(?:transformers|accelerate|peft)|transformers", case.page.low
    ):
        yield Hit(
            "versions.dependency-pins-violated",
            86,
            [line],
            {"name": name, "package": module.split(".")[0]},
            [
                (
                    "The installed package no longer has (or does not have yet) a name that "
                    "transformers imports from it."
                )
            ],
        )
    elif (
        from_transformers
        and raw
        in (
            "videoinput",
            "is_torchvision_v2_available",
            "processingkwargs",
            "unpack",
            "is_valid_video",
        )
        and case.clues.qwen
    ):
        yield Hit("versions.framework-model-skew", 84, [line], {"name": name, "module": module})


def imports(case: Case) -> Iterator[Hit]:
    """``cannot import name``, ``has no attribute`` on the package, the lazy importer's hiding
    message, missing submodules.
    """
    low = case.page.low
    seen = False
    for match in list(_IMPORT.finditer(low))[-6:]:
        seen = True
        yield from _classify_import(
            case, match.group(1), match.group(2), case.page.line_at(match.start())
        )
    for match in list(_NO_ATTRIBUTE.finditer(low))[-3:]:
        seen = True
        yield from _classify_import(
            case, match.group(1), "transformers", case.page.line_at(match.start())
        )
    for match in list(_NOT_FOUND.finditer(low))[-3:]:
        name = match.group(1) or match.group(2)
        seen = True
        yield from _classify_import(case, name, "transformers", case.page.line_at(match.start()))
    for match in list(_MODULE.finditer(low))[-2:]:
        hit = _missing_class(
            case, match.group(1).split(".")[2], case.page.line_at(match.start()), 91
        )
        if hit:
            yield hit
    for match in list(_LAZY.finditer(low))[-2:]:
        line = case.page.line_at(match.start())
        hit = _missing_class(case, match.group(1), line, 72)
        if hit:
            hit.notes.append(
                "The lazy importer hides the real error: import the submodule "
                "(transformers.models.<type>.modeling_<type>) directly to see it."
            )
            yield hit
    if not seen:
        yield from _squeezed(case)


def _squeezed(case: Case) -> Iterator[Hit]:
    """Screenshots: names torn apart by spaces or line ends, found in the folded view."""
    for family in knowledge().families.values():
        line = case.page.says(f"cannot import name {family.model_class} from transformers")
        if line is not None:
            hit = _missing_class(case, family.model_class.lower(), line, 90)
            if hit:
                yield hit
    for label, facts in knowledge().auto_classes.items():
        line = case.page.says(f"cannot import name {label} from transformers")
        if line is not None:
            yield from _classify_import(case, label.lower(), "transformers", line)
            del facts


def model_types(case: Case) -> Iterator[Hit]:
    """``KeyError: 'qwen2_5_vl'`` and ``does not recognize this architecture``."""
    low = case.page.low
    matches = [*_KEY_ERROR.finditer(low), *_TYPE.finditer(low)]
    for match in matches[-3:]:
        name = re.sub(r"[ .]", "_", match.group(1).strip())
        family = knowledge().families.get(name) or next(
            (f for k, f in knowledge().families.items() if fold(k) == fold(name)), None
        )
        if family is None:
            for suffix in ("_text", "_vision"):
                family = family or knowledge().families.get(name.removesuffix(suffix))
        if family is None:
            continue
        notes = [
            (
                f"Model type {name} is known from transformers {family.since} on "
                f"({family.model_class})."
            )
        ]
        if _outdated(case, family):
            notes.append(
                "The release of transformers that is named or installed knows it, so another "
                "environment is running: print `transformers.__file__` and `sys.executable` in "
                "the failing process."
            )
        yield Hit(
            "versions.unknown-model-type",
            94,
            [case.page.line_at(match.start())],
            {"model_type": name, "minimum_transformers": family.since, "class": family.model_class},
            notes,
            [
                Fix(
                    "command",
                    f'python -m pip install -U "transformers>={family.since}"',
                    "review",
                    "with the same python that runs the script",
                )
            ],
        )


def attributes(case: Case) -> Iterator[Hit]:
    """``'Qwen… object' has no attribute …``: which class lacks what decides."""
    matches = list(_ATTRIBUTE.finditer(case.page.low))
    for match in matches[-4:]:
        owner, name = match.group(1), match.group(2)
        line = case.page.line_at(match.start())
        family = _family_of(fold(owner))
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
        facts = {**computed, **({"minimum_transformers": family[1].since} if family else {})}
        yield Hit("versions.framework-model-skew", 92, [line], facts)
    elif name in ("max_pixels", "min_pixels") and "imageprocessor" in owner:
        yield Hit("images.pixel-limit-ignored", 70, [line], computed)
