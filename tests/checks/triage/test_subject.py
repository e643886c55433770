"""What a text is about: whose model, whose failure, and whether it is one at all."""

from __future__ import annotations

import pytest

from qvl_checks.triage.clues import Clues
from qvl_checks.triage.page import Page
from qvl_checks.triage.programs import comment, is_program, without_patches, without_templates


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Qwen-Image on two GPUs", "qwen-image"),
        ("My LLaVA script works.\nQwen2-VL does not", "llava"),
        ("My LLaVA script works. Qwen2-VL does not", None),
        ("Qwen2-VL has it. Has our own LLaVA, too?", "llava"),
        ("we do not use Qwen2-VL, only Pixtral", "pixtral"),
        ("Pixtral 报错，与 Qwen2-VL 无关", "pixtral"),
        ("是不是 Qwen2-VL 不支持，LLaVA 可以", None),
        ("InternVL3\nmodeling_qwen2_5_vl.py line 3", None),
        ("InternVL3\nfrom qwen_vl_utils import process_vision_info", "internvl"),
        ("Qwen2VLImageProcessor is slow", None),
    ],
)
def test_the_model_that_a_text_is_about(text: str, other: str | None) -> None:
    assert Clues(Page(text)).other_model == other


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("What's Changed\n* fix: padding of Qwen2-VL by @someone", True),
        ("- Fix the masks\n- Add Qwen3-VL\n- Remove the old class", True),
        ("- Fix the masks\n- Add Qwen3-VL\nValueError: no", False),
        ("We recommend flash_attention_2 with Qwen2-VL.", True),
        ("We recommend flash_attention_2 but it is broken with Qwen2-VL.", False),
        ("Qwen2-VL asks me to install accelerate", False),
        ("fix(qwen2_vl): the masks", True),
        ("fix Qwen2-VL: the masks are wrong", False),
        ('{"model_type": "qwen2_vl"}', True),
        ('{"error": "Qwen2-VL runs out of memory"}', False),
        ("Feature request: Qwen3-VL with FP8", True),
        ("Please support Qwen3-VL, loading it fails", False),
    ],
)
def test_texts_that_tell_of_no_failure(text: str, none: bool) -> None:
    assert Clues(Page(text)).tells_of_none is none


def test_a_program_says_only_what_its_comments_say() -> None:
    lines = [
        "import torch",
        "def f(x):",
        "    # it runs out of memory",
        '    raise ValueError("a")',
    ]
    assert is_program(lines)
    assert [comment(line) for line in lines] == ["", "", "# it runs out of memory", ""]
    assert not is_program([*lines, "ValueError: a"])
    assert not is_program([*lines, "This happens every time."])
    assert not is_program(["x = 1", "y = 2", "z = 3"])


def test_a_message_with_places_to_fill_was_never_printed() -> None:
    assert without_templates('  f"tokens: {n}, features {m}"') == '  f""'
    assert without_templates('"tokens: 3"') == '"tokens: 3"'
    assert without_templates('f"tokens: 3"') == 'f"tokens: 3"'


def test_a_diff_shows_what_a_program_says() -> None:
    lines = ["see", "diff --git a/x b/x", "@@ -1 +1 @@", '-raise ValueError("a")', "it fails"]
    assert without_patches(lines) == ["see", "", "", "", "it fails"]
    assert without_patches(["- a list", "- of things"]) == ["- a list", "- of things"]
