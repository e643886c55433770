"""Checkpoints: classes that do not match, files that are damaged or out of reach, adapters,
quantisation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..knowledge import knowledge
from ..model import Computed
from ..page import fold
from ..rule import FOREIGN_ENGINES, Case, Hit

_C = "checkpoint."

_TYPES = re.compile(
    r"model of type\s{1,3}['\"`]?([\w ]{2,40}?)['\"`]?\s{1,3}to instantiate a "
    r"model of type\s{1,3}['\"`]?([\w ]{2,40}?)['\"`]?(?:\.|\s|$)"
)
_AUTO = re.compile(
    r"configuration class\s{0,3}(?:<class)?\s{0,3}['\"]?[\w.]{0,120}?(qwen\w{2,"
    r"60}config)['\">]{0,3}[^\n]{0,60}?(automodel\w{0,40})"
)


def wrong_class(case: Case) -> Iterator[Hit]:
    """A class of one family on a checkpoint of another."""
    for match in list(_TYPES.finditer(case.page.low))[-3:]:
        have, want = (
            match.group(1).strip().replace(" ", "_"),
            match.group(2).strip().replace(" ", "_"),
        )
        families = knowledge().families
        if (
            have == want
            or have.split("_text")[0] == want.split("_text")[0]
            or not (have in families or want in families)
        ):
            continue
        computed: dict[str, Computed] = {"checkpoint_type": have, "class_type": want}
        notes = []
        if have in families:
            computed["right_class"] = families[have].model_class
            notes.append(
                f"The checkpoint is {have}: its class is {families[have].model_class} "
                f"(transformers {families[have].since} or newer)."
            )
        yield Hit(
            "checkpoint.wrong-model-class", 91, [case.page.line_at(match.start())], computed, notes
        )


def wrong_auto_class(case: Case) -> Iterator[Hit]:
    """``Unrecognized configuration class`` for a Qwen-VL configuration."""
    match = _AUTO.search(case.page.low)
    line = case.page.line_at(match.start()) if match else None
    if line is None:
        for family in knowledge().families.values():
            stem = family.model_class.removesuffix("ForConditionalGeneration")
            line = case.page.says(
                f"Unrecognized configuration class … {stem}Config … for this kind of AutoModel"
            )
            if line is not None:
                break
    if line is None:
        return
    computed: dict[str, Computed] = {"auto_class": "AutoModelForImageTextToText"}
    if match:
        stem = fold(match.group(1).removesuffix("config"))
        for family in knowledge().families.values():
            if fold(family.model_class.removesuffix("ForConditionalGeneration")) == stem:
                computed["right_class"] = family.model_class
    yield Hit("checkpoint.wrong-auto-class", 94, [line], computed)


def nonsense_after_loading(case: Case) -> Iterator[Hit]:
    """Class names in pasted code that contradict the checkpoint's name."""
    low = case.page.low
    if case.clues.engine in FOREIGN_ENGINES:
        return
    pair = re.search(
        (
            r"(qwen2vl|qwen2_5_vl|"
            r"qwen3vl)forconditionalgeneration\s?\.\s?from_pretrained\(\s{0,"
            r"4}[rf]?['\"][^'\"\n]{0,120}?qwen(2\.5|2|3)-vl"
        ),
        low,
    )
    if pair:
        made = {"qwen2vl": "2", "qwen2_5_vl": "2.5", "qwen3vl": "3"}[pair.group(1)]
        if made != pair.group(2):
            right = {"2": "qwen2_vl", "2.5": "qwen2_5_vl", "3": "qwen3_vl"}[pair.group(2)]
            family = knowledge().families[right]
            yield Hit(
                "checkpoint.wrong-model-class",
                88,
                [case.page.line_at(pair.start())],
                {"right_class": family.model_class},
                [f"{family.name} is loaded with {family.model_class}."],
                by_message=False,
            )


_LOCAL = re.compile(
    r"can't load (?:the )?(?:\w{1,20} ){1,3}for ['\"`]((?:[./~]|[a-z]:\\)[^'\"`\n]{0,300})['\"`]"
)


def incomplete_folder(case: Case) -> Iterator[Hit]:
    """``Can't load … for '/local/path'``: the folder exists in the user's mind, a file is not in
    it.
    """
    match = _LOCAL.search(case.page.low)
    if match and not case.clues.other_model:
        yield Hit(
            "checkpoint.checkpoint-damaged",
            93,
            [case.page.line_at(match.start())],
            {"folder": match.group(1)},
            [
                (
                    "The path is a local folder that lacks the file named in the message (a "
                    "configuration of the processor or tokenizer was not copied or not "
                    "downloaded), or the path is misspelt."
                )
            ],
        )


DETECTORS = (incomplete_folder, wrong_class, wrong_auto_class, nonsense_after_loading)
