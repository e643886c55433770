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
    ({"device_map": "tensor-parallel"}, 'distributed_config=DistributedConfig(tp_plan="auto")'),
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


def test_tensor_parallelism_is_started_with_torchrun() -> None:
    stated = {**STATED, "max_memory": {"0": 2**30}}
    change = {"device_map": "tensor-parallel"}
    newest = code(change, stated, CLASS, "5.23.0", 14, 4)
    assert newest.startswith("# start it with:  torchrun --nproc-per-node 4 ")
    assert "from transformers.distributed import DistributedConfig" in newest
    older = code(change, stated, CLASS, "4.57.6", 14, 2)
    assert 'tp_plan="auto"' in older and "DistributedConfig" not in older
    for text in (newest, older):
        ast.parse(text)
        assert "device_map" not in text and "max_memory" not in text


def test_other_changes_keep_tensor_parallelism() -> None:
    stated = {**STATED, "device_map": "tensor-parallel"}
    text = code({"attention": "sdpa"}, stated, CLASS, "5.17.0", 14, 2)
    assert "torchrun --nproc-per-node 2" in text and "tp_plan" in text
    assert "torchrun" not in code({"batch": 3}, stated, CLASS, "5.17.0", 14, 2)


def test_the_floor_never_exceeds_the_limit() -> None:
    assert "min_pixels=2000, max_pixels=2000" in code(
        {"max_pixels": 2000}, STATED, CLASS, "5.0", 14
    )
