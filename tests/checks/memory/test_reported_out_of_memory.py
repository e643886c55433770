"""The check: from a user's log back to tensors of the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.memory.oom_message import requests_of
from qvl_checks.memory.reported_out_of_memory import reported_out_of_memory
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.facts import LogFacts, ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

sys.path.insert(0, str(Path(__file__).parent))

from memory_examples import GIB, named

PHOTO = ((2048, 1365),)
VISION = """Traceback (most recent call last):
  File "/env/lib/transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py", line 1500, in forward
    image_embeds = self.visual(pixel_values, grid_thw=image_grid_thw)
  File "/env/lib/transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py", line 300, in forward
    attn_output = F.scaled_dot_product_attention(q, k, v, attention_mask, dropout_p=0.0)
"""
LOGITS = """  File "/e/transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py", line 187, in forward
    logits = self.lm_head(hidden_states)
"""


def oom(size: int) -> str:
    printed = requests_of(size)[-1] / GIB
    return (
        f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {printed:.2f} GiB. GPU 0 "
        "has a total capacity of 23.65 GiB of which 3.01 GiB is free. Of the allocated memory "
        "19.90 GiB is allocated by PyTorch, and 120.00 MiB is reserved by PyTorch but unallocated."
    )


def judge(
    text: str | None,
    *,
    model: ModelFacts | None = None,
    transformers: str = "5.17.0",
    **workload: Any,
) -> Judgement:
    return reported_out_of_memory.judge(
        log=None if text is None else LogFacts(text=text),
        model=model or named(),
        workload=WorkloadFacts(**workload),
        packages=PackagesFacts(installed={"transformers": transformers}),
        files=None,
    )


def best(judgement: Judgement) -> dict[str, Any]:
    row: dict[str, Any] = judgement.evidence["readings"][0]
    return row


def test_the_demo_image_on_an_old_release() -> None:
    judgement = judge(VISION + oom(16 * 14308**2 * 4), transformers="4.49.0", images=PHOTO)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.DERIVED
    assert judgement.title == (
        "The 12.20 GiB that did not fit are the vision tower's attention scores over 14308 patches"
    )
    assert "16 heads × 14308 × 14308 patches × 4 B" in judgement.cause
    assert best(judgement)["agrees_with"] == [
        "the traceback's last frames",
        "the stated images: 14308 patches",
    ]
    assert judgement.explains == ("memory.vision-attention-memory",)
    assert any("sdpa" in (fix.code or "") for fix in judgement.fixes)


def test_without_an_image_the_range_of_patches_is_told() -> None:
    judgement = judge(VISION + oom(16 * 25660**2 * 4), transformers="4.49.0", text_tokens=50)
    row = best(judgement)
    low, high = map(int, row["between"].split(" and "))
    assert low <= 25660 <= high <= low + 40
    assert abs(row["square_image_px"] - 25660**0.5 * 14) <= 14
    assert "image of about" in judgement.cause


def test_what_the_installed_release_cannot_have_written_is_contradicted() -> None:
    judgement = judge(oom(16 * 14308**2 * 4), transformers="5.17.0", images=PHOTO)
    rows = {row["size"]: row for row in judgement.evidence["readings"]}
    vision = rows["16 heads × 14308 × 14308 patches × 4 B"]
    wrong = "transformers 5.17.0 with sdpa, which writes no scores"
    assert (vision["contradicts"], vision["needs"]) == ([], f"eager attention: {wrong}")
    stated = judge(oom(16 * 14308**2 * 4), images=PHOTO, attention="sdpa")
    rows = {row["size"]: row for row in stated.evidence["readings"]}
    assert rows["16 heads × 14308 × 14308 patches × 4 B"]["contradicts"] == [wrong]
    eager = judge(oom(16 * 14308**2 * 4), transformers="5.17.0", images=PHOTO, attention="eager")
    assert "eager attention, which writes these scores" in best(eager)["agrees_with"]
    by_part = judge(
        oom(16 * 14308**2 * 4), images=PHOTO, attention="vision=eager,text=flash_attention_2"
    )
    assert best(by_part)["tensor"] == "vision"
    assert not best(by_part)["contradicts"]


def test_half_precision_scores_are_not_the_math_kernels() -> None:
    judgement = judge(VISION + oom(16 * 14308**2 * 2), transformers="4.49.0", images=PHOTO)
    assert "14308 patches" in judgement.title
    assert "It takes eager attention" in judgement.cause
    assert "fp32" in best(judgement)["needs"]


def test_logits_of_a_long_prompt() -> None:
    size = 24000 * 152064 * 2
    text = LOGITS + f"you tried to allocate {size} bytes. Error code 12 (Cannot allocate memory)"
    judgement = judge(text, transformers="4.49.0", text_tokens=24000)
    assert judgement.title == f"The {size} bytes that did not fit are logits for 24000 tokens"
    newer = judge(text, transformers="5.17.0", text_tokens=24000)
    row = next(r for r in newer.evidence["readings"] if r["tensor"] == "logits")
    assert "last logits only" in row["contradicts"][0]
    plain = judge(text, transformers="5.17.0", text_tokens=24000, mode="forward")
    assert not best(plain)["contradicts"]


def test_scores_over_the_prompt() -> None:
    size = 28 * 11000**2 * 2
    judgement = judge(oom(size), text_tokens=11000, attention="eager")
    assert best(judgement)["tensor"] == "text"
    assert "a prompt of 11000 tokens" in judgement.title


def test_a_batch_multiplies_scores_over_the_prompt() -> None:
    size = 4 * 28 * 5000**2 * 2
    judgement = judge(oom(size), text_tokens=5000, batch=4, attention="eager")
    assert "4 × 28 heads × 5000 × 5000 tokens" in judgement.cause


def test_a_weight_in_float32() -> None:
    judgement = judge(f"tried to allocate {18944 * 3584 * 4} bytes")
    row = next(r for r in judgement.evidence["readings"] if r["tensor"] == "weight")
    assert row["size"] == "an MLP projection of a decoder layer: 18944 × 3584 × 4 B"


def test_an_mlp_of_the_stated_workload() -> None:
    judgement = judge(f"tried to allocate {7001 * 18944 * 2} bytes", text_tokens=7001)
    assert best(judgement)["size"] == "7001 tokens × 18944 (intermediate_size) × 2 B"
    assert "activation of the stated workload" in judgement.title


def test_a_traceback_of_another_family_contradicts() -> None:
    other = VISION.replace("qwen2_5_vl", "qwen3_vl")
    judgement = judge(other + oom(16 * 14308**2 * 4), transformers="4.49.0", images=PHOTO)
    assert any("qwen3_vl" in reason for reason in best(judgement)["contradicts"])


def test_the_last_message_is_the_one_that_ended_the_run() -> None:
    text = oom(28 * 3000**2 * 4) + "\nretrying\n" + VISION + oom(16 * 14308**2 * 4)
    judgement = judge(text, transformers="4.49.0", images=PHOTO)
    assert "14308" in judgement.title


def test_memory_that_nobody_uses_is_told() -> None:
    text = oom(16 * 14308**2 * 4).replace("120.00 MiB is reserved", "11.00 GiB is reserved")
    assert "memory.memory-fragmentation" in judge(text, images=PHOTO).cause


def test_a_size_that_no_tensor_has() -> None:
    judgement = judge("tried to allocate 3000017 bytes")
    assert judgement.outcome is Outcome.FAIL
    assert "no large tensor" in judgement.title


def test_nothing_confirmed_is_nothing_claimed() -> None:
    judgement = judge(oom(16 * 9000**2 * 4), text_tokens=50)
    assert "can have that size" in judgement.title
    assert "State the images" in judgement.cause


def test_without_a_log_or_a_message() -> None:
    assert judge(None).outcome is Outcome.NOT_APPLICABLE
    assert judge("all went well").outcome is Outcome.NOT_APPLICABLE
    assert judge("CUDA error: out of memory").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("source", ["tiny", "published"])
def test_the_model_must_be_named(source: str) -> None:
    nameless = ModelFacts(
        name="tiny", source=source, config={} if source == "published" else {"a": 1}
    )
    assert judge(oom(GIB), model=nameless).outcome is Outcome.BLOCKED
