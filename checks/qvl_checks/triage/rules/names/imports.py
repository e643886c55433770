"""Names that cannot be imported."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...knowledge import knowledge
from ...model import Fix
from ...rule import Case, Hit
from .classes import missing_class

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
_PRIVATE = re.compile(
    r"flash_?attention2$|sdpaattention$|_attention_classes$|"
    r"^apply_rotary_pos_emb_flashatt$|^_flash_attention_forward$|^index_first_axis$"
    r"|^_upad_input$|^flash_attn_supports|^_prepare_4d_causal|^kwargsforcausallm$|"
    r"^qwen2rmsnorm$|^flashattentionkwargs$|^visionrotaryembedding$"
    r"|^is_flash_attn_greater|^unpad_input$|^pad_input$|^lossKwargs$|^losskwargs$|"
    r"_inputs_docstring$|^apply_multimodal_rotary|^repeat_kv$|^rotate_half$"
)


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
    elif (
        _PRIVATE.search(raw)
        and (from_transformers or "qwen" in module or "flash_attention" in module)
        # The private classes of another model are none of ours.
        and ("qwen" in module or not module.startswith("transformers.models."))
    ):
        yield Hit("versions.removed-private-classes", 93, [line], {"name": name, "module": module})
    elif (
        raw in ("beamsearchscorer", "disjunctiveconstraint", "constrainedbeamsearchscorer")
        and case.page.says("transformers_stream_generator") is not None
    ):
        yield Hit("versions.legacy-chat-environment", 90, [line])
    elif from_transformers and "qwen" in raw:
        hit = missing_class(case, raw, line, 92)
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
    elif module.startswith("transformers.models.") and case.clues.qwen and case.clues.engine:
        yield Hit(
            "versions.framework-model-skew",
            82,
            [line],
            {"name": name, "module": module},
            ["The serving engine was written for another release of transformers than this one."],
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
    elif module.startswith("transformers.modeling_") and case.clues.qwen_vl:
        yield Hit("versions.removed-private-classes", 72, [line], {"name": name, "module": module})
    elif module.startswith("transformers.") and case.clues.qwen_vl:
        yield Hit("versions.framework-model-skew", 62, [line], {"name": name, "module": module})


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
        hit = missing_class(
            case, match.group(1).split(".")[2], case.page.line_at(match.start()), 91
        )
        if hit:
            yield hit
    for match in list(_LAZY.finditer(low))[-2:]:
        line = case.page.line_at(match.start())
        hit = missing_class(case, match.group(1), line, 72)
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
            hit = missing_class(case, family.model_class.lower(), line, 90)
            if hit:
                yield hit
    for label, facts in knowledge().auto_classes.items():
        line = case.page.says(f"cannot import name {label} from transformers")
        if line is not None:
            yield from _classify_import(case, label.lower(), "transformers", line)
            del facts
