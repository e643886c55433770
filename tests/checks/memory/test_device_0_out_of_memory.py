"""The check: what it says about runs that ended in every way."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.memory.device_0_out_of_memory import device_0_out_of_memory
from qvl_checks.memory.run_facts import (
    Card,
    FailedTensor,
    Load,
    OutOfMemory,
    Reading,
    RunAsStated,
    RunFacts,
    RunWithEager,
    RunWithFlash,
    RunWithSdpa,
)
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

GIB = 2**30
S = 14308
SCORES = 16 * S * S * 2
WEIGHTS = 8_292_166_656 * 2
LIMIT = 24 * GIB - 520 * 2**20


def named(name: str = "Qwen2.5-VL-7B") -> ModelFacts:
    model = resolve(name)
    assert model is not None
    return model


def card(index: int = 0, **changes: Any) -> Card:
    fields: dict[str, Any] = {
        "index": index,
        "name": "NVIDIA H100 80GB HBM3",
        "total_bytes": 79 * GIB,
        "free_bytes": 78 * GIB,
        "others_bytes": 0,
        "context_bytes": 520 * 2**20,
        "context_measured": True,
        "cap_bytes": 24 * GIB,
        "limit_bytes": LIMIT,
        "weights_bytes": WEIGHTS,
        "peak_allocated_bytes": WEIGHTS + GIB,
        "peak_reserved_bytes": WEIGHTS + 2 * GIB,
        **changes,
    }
    return Card(**fields)


def ran(kind: type[RunFacts] = RunAsStated, name: str = "sdpa", **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "status": "ran",
        "attention": name,
        "selected": {"vision": name, "text": name},
        "dtype": "bfloat16",
        "weights": "random",
        "weights_need_bytes": WEIGHTS,
        "load": Load(images=((2044, 1372),), patches=(S,), prompt_tokens=3629),
        "cards": (card(),),
        "torch": "2.11.0+cu130",
        "transformers": "5.17.0",
        **changes,
    }
    return kind(**fields)


def out_of_memory(
    kind: type[RunFacts] = RunAsStated, name: str = "eager", *, failure: Any = None, **changes: Any
) -> Any:
    return ran(kind, name, status="out_of_memory", failure=failure or vision(), **changes)


def vision(**changes: Any) -> OutOfMemory:
    fields: dict[str, Any] = {
        "message": "CUDA out of memory. Tried to allocate 6.10 GiB. GPU 0 has a total capacity of",
        "gpu": 0,
        "requested_bytes": SCORES,
        "requested_exact": True,
        "tensor": FailedTensor(shape=(1, 16, S, S), dtype="bfloat16", bytes=SCORES),
        "operator": "aten.mul.Tensor",
        "module": "model.visual.blocks.7.attn",
        "phase": "vision",
        "readings": (
            Reading(
                index=0,
                allocated_bytes=WEIGHTS + SCORES,
                reserved_bytes=WEIGHTS + SCORES + GIB // 4,
                free_bytes=50 * GIB,
            ),
        ),
        "file": "transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py",
        "line": 171,
        "function": "eager_attention_forward",
        "code": "attn_weights = torch.matmul(query, key_states.transpose(2, 3)) * scaling",
        **changes,
    }
    return OutOfMemory(**fields)


def judge(
    stated: RunAsStated,
    *,
    eager: RunWithEager | None = None,
    sdpa: RunWithSdpa | None = None,
    flash: RunWithFlash | None = None,
    model: ModelFacts | None = None,
) -> Judgement:
    return device_0_out_of_memory.judge(
        stated=stated, model=model or named(), eager=eager, sdpa=sdpa, flash=flash
    )


def not_run(obstacle: str, reason: str = "of this", **changes: Any) -> RunAsStated:
    return RunAsStated(status="not_run", obstacle=obstacle, reason=reason, **changes)


def test_eager_fails_and_sdpa_is_the_verified_cure() -> None:
    judgement = judge(out_of_memory(), sdpa=ran(RunWithSdpa))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    left = (LIMIT - WEIGHTS - SCORES - GIB // 4) / GIB
    assert judgement.title == (
        f"GPU 0 ran out of memory: 6.10 GiB asked for, {left:.2f} GiB of 23.49 GiB were left"
    )
    assert "16 heads × 14308 × 14308 patches × 2 B" in judgement.cause
    assert "model.visual.blocks.7.attn" in judgement.cause
    assert "must fit on the GPU that holds the vision tower" in judgement.cause
    [fix] = judgement.fixes
    assert fix.code is not None and 'attn_implementation="sdpa"' in fix.code
    assert 'device_map="cuda:0"' in fix.code and " dtype=torch.bfloat16" in fix.code
    assert fix.verified and fix.verification is not None and "16.45 GiB" in fix.verification


def test_the_evidence_names_tensor_place_and_numbers() -> None:
    failure = judge(out_of_memory()).evidence["failure"]
    assert failure["shape"] == [1, 16, S, S]
    assert failure["dtype"] == "bfloat16"
    assert failure["requested_bytes"] == SCORES
    assert failure["source"].endswith("modeling_qwen2_5_vl.py:171")
    assert failure["allocated_gib"] == {"GPU 0": round((WEIGHTS + SCORES) / GIB, 3)}


def test_every_cure_that_ran_is_offered_and_no_other() -> None:
    judgement = judge(
        out_of_memory(name="eager"),
        sdpa=out_of_memory(RunWithSdpa, "sdpa"),
        flash=ran(RunWithFlash, "flash_attention_2"),
    )
    assert ["flash_attention_2" in (fix.code or "") for fix in judgement.fixes] == [True]
    assert judgement.evidence["runs"]["sdpa"].startswith("out of memory in model.visual")


def test_without_a_cure_the_images_are_limited_by_inversion() -> None:
    judgement = judge(out_of_memory(), sdpa=out_of_memory(RunWithSdpa, "sdpa"))
    [fix] = judgement.fixes
    assert not fix.verified
    assert fix.code is not None and "max_pixels=" in fix.code
    patches = int(fix.code.split("max_pixels=")[1].split("\n")[0]) // 14**2
    assert 10 * 16 * patches**2 <= LIMIT - WEIGHTS < 10 * 16 * (patches + 4) ** 2


def test_an_old_release_gets_its_own_keyword() -> None:
    stated = out_of_memory(transformers="4.49.0")
    [fix] = judge(stated, sdpa=ran(RunWithSdpa)).fixes
    assert fix.code is not None and "torch_dtype=torch.bfloat16" in fix.code


def test_two_gpus_and_what_the_other_held() -> None:
    failure = vision(
        readings=(
            Reading(index=0, allocated_bytes=9 * GIB, reserved_bytes=9 * GIB, free_bytes=60 * GIB),
            Reading(index=1, allocated_bytes=8 * GIB, reserved_bytes=8 * GIB, free_bytes=60 * GIB),
        )
    )
    stated = out_of_memory(failure=failure, cards=(card(0), card(1)), device_map="auto")
    judgement = judge(stated, sdpa=ran(RunWithSdpa, cards=(card(0), card(1))))
    assert "At that moment GPU 1 held 8.00 GiB." in judgement.cause
    assert "A device map divides weights" in judgement.cause
    assert judgement.fixes[0].code is not None
    assert 'device_map="auto"' in judgement.fixes[0].code
    bars = judgement.charts[0]
    assert [x for x, _ in bars.series[0].points] == [
        "eager, GPU 0",
        "eager, GPU 1",
        "sdpa, GPU 0",
        "sdpa, GPU 1",
    ]


def test_the_chart_shows_the_request_over_the_limit() -> None:
    chart = judge(out_of_memory(), sdpa=ran(RunWithSdpa)).charts[0]
    weights, activations, request = chart.series
    assert weights.points[0] == ("eager, GPU 0", round(WEIGHTS / GIB, 3))
    assert activations.points == (
        ("eager, GPU 0", round(SCORES / GIB, 3)),
        ("sdpa, GPU 0", 1.0),
    )
    assert request.points[0][1] == round(SCORES / GIB, 3)
    assert [label for label, _ in request.points] == ["eager, GPU 0"]
    assert chart.stacked
    assert chart.threshold == round(LIMIT / GIB, 3)


def test_scores_over_the_prompt() -> None:
    tokens, size = 11032, 28 * 11032**2 * 4
    failure = vision(
        requested_bytes=size,
        tensor=FailedTensor(shape=(1, 28, tokens, tokens), dtype="float32", bytes=size),
        module="model.language_model.layers.0.self_attn",
        phase="text",
    )
    load = Load(images=((1036, 1036),) * 8, patches=(5476,) * 8, prompt_tokens=tokens)
    judgement = judge(out_of_memory(failure=failure, load=load))
    assert "28 heads × 11032 × 11032 tokens × 4 B" in judgement.cause
    assert "square of the tokens" in judgement.cause
    assert judgement.fixes[0].advice is not None and "Shorten" in judgement.fixes[0].advice


def test_a_message_alone_is_enough_when_the_workload_confirms_it() -> None:
    failure = vision(
        message="CUDA out of memory. Tried to allocate 12.20 GiB. GPU 0 has a total capacity of",
        tensor=None,
        requested_exact=False,
    )
    judgement = judge(out_of_memory(failure=failure))
    assert "16 heads × 14308 × 14308 patches × 4 B" in judgement.cause


def test_an_unknown_tensor_is_described_and_not_explained() -> None:
    failure = vision(
        tensor=FailedTensor(shape=(S, 3420), dtype="bfloat16", bytes=S * 3420 * 2),
        module="model.visual.blocks.3.mlp.gate_proj",
    )
    judgement = judge(out_of_memory(failure=failure))
    assert f"a bfloat16 tensor of {S} × 3420 in model.visual.blocks.3.mlp.gate_proj" in (
        judgement.cause
    )
    assert "heads" not in judgement.cause


def test_weights_that_do_not_fit_under_the_cap() -> None:
    failure = vision(
        phase="load",
        module="model.language_model.layers.20.mlp.up_proj.weight",
        tensor=FailedTensor(shape=(18944, 3584), dtype="bfloat16", bytes=18944 * 3584 * 2),
    )
    judgement = judge(out_of_memory(failure=failure))
    assert "the weight model.language_model.layers.20.mlp.up_proj.weight" in judgement.cause
    assert judgement.fixes[0].advice is not None


def test_what_fits_passes_and_tells_that_eager_would_not() -> None:
    judgement = judge(ran(), eager=out_of_memory(RunWithEager))
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.title == "Qwen2.5-VL-7B with sdpa fits: peak 16.45 GiB of 23.49 GiB on GPU 0"
    assert "ran out of memory with eager" in judgement.cause
    assert judgement.evidence["runs"]["eager"].startswith("out of memory")


def test_what_fits_in_every_way_warns_of_nothing() -> None:
    judgement = judge(ran(), eager=ran(RunWithEager, "eager"))
    assert judgement.outcome is Outcome.PASS
    assert "out of memory" not in judgement.cause


def test_runs_that_were_not_made_are_not_mentioned() -> None:
    same = RunWithSdpa(status="not_run", obstacle="same_as_stated", reason="the stated run")
    assert list(judge(ran(), sdpa=same).evidence["runs"]) == ["as stated (sdpa)"]


@pytest.mark.parametrize("obstacle", ["no_cuda", "in_use", "cap_too_large", "unavailable"])
def test_what_was_not_run_is_blocked(obstacle: str) -> None:
    judgement = judge(not_run(obstacle, "torch sees no CUDA device"))
    assert judgement.outcome is Outcome.BLOCKED
    assert judgement.cause == "the workload was not run: torch sees no CUDA device"


def test_without_a_named_model_the_question_does_not_arise() -> None:
    assert judge(not_run("no_model")).outcome is Outcome.NOT_APPLICABLE


def test_weights_larger_than_the_cards_fail_without_a_run() -> None:
    reason = "the weights take 136.74 GiB, the GPUs have 78.50 GiB"
    judgement = judge(not_run("too_large", reason, weights_need_bytes=136 * GIB))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.DERIVED
    assert reason in judgement.cause


def test_a_text_only_workload() -> None:
    load = Load(prompt_tokens=4000, batch=3)
    assert judge(ran(load=load)).cause == (
        "A prompt of 4000 tokens, 3 times in a batch ran to its end."
    )
