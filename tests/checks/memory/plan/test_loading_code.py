"""What is printed can be pasted: it parses, and says what the change says."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from qvl_checks.memory.plan.loading_code import code, summary

STATED = {"dtype": "bfloat16", "attention": "eager", "device_map": "auto", "max_memory": None}
CLASS = "Qwen2_5_VLForConditionalGeneration"
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"attention": "sdpa"}, 'attn_implementation="sdpa"'),
    ({"attention": "vision=sdpa,text=eager"}, '"text_config": "eager"'),
    ({"dtype": "float16"}, "torch.float16"),
    ({"device_map": "auto", "max_memory": {"0": 5 * 2**30, "1": 2**30}}, '0: "5120MiB"'),
    ({"max_pixels": 1_003_520}, "min_pixels=3136, max_pixels=1003520"),
    ({"batch": 3}, "batch_size = 3"),
    ({"logits_to_keep": 1}, "logits_to_keep=1"),
    ({"prefill_chunk_size": 1024}, "prefill_chunk_size=1024"),
    ({"cache_implementation": "offloaded"}, 'cache_implementation="offloaded"'),
    ({"expandable_segments": True}, "expandable_segments:True"),
    ({"videos": [[640, 480, 12]]}, "num_frames = 12"),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_every_change_is_code_and_words(change: dict[str, Any], expected: str) -> None:
    text = code(change, STATED, CLASS, "5.23.0", 14)
    ast.parse(text)
    assert expected in text
    assert summary(change)


def test_what_was_stated_stays() -> None:
    text = code({"attention": "sdpa"}, STATED, CLASS, "5.23.0", 14)
    assert 'device_map="auto"' in text and "dtype=torch.bfloat16" in text and CLASS in text


def test_the_keyword_of_the_release() -> None:
    for release, keyword in (
        ("4.55.4", "torch_dtype="),
        ("4.56.0", "    dtype="),
        ("5.0.0", " dtype"),
    ):
        assert keyword in code({"attention": "sdpa"}, STATED, CLASS, release, 14)


def test_the_floor_never_exceeds_the_limit() -> None:
    assert "min_pixels=2000, max_pixels=2000" in code(
        {"max_pixels": 2000}, STATED, CLASS, "5.0", 14
    )
