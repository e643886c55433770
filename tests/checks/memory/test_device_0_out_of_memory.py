"""The check: what it says about runs that ended in every way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.memory.change_facts import (
    Candidate,
    CandidatesFacts,
    FixesFacts,
    LargestImageFacts,
    Run,
    SideRun,
    Trial,
)
from qvl_checks.memory.device_0_out_of_memory import device_0_out_of_memory
from qvl_checks.memory.predicted_facts import PredictedFacts
from qvl_checks.memory.run_facts import FailedTensor, Load, Reading, RunAsStated
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

sys.path.insert(0, str(Path(__file__).parent))

from memory_examples import (
    GIB,
    LIMIT,
    SCORES,
    WEIGHTS,
    S,
    card,
    failing_device,
    history,
    named,
    out_of_memory,
    predicted,
    predicted_device,
    ran,
    vision,
)


def judge(
    stated: RunAsStated,
    *,
    model: ModelFacts | None = None,
    predicted: PredictedFacts | None = None,
    candidates: CandidatesFacts | None = None,
    largest: LargestImageFacts | None = None,
    **attention: Run,
) -> Judgement:
    """``attention``: implementation -> the run with it."""
    trials = tuple(
        Trial(name=name, changes={"attention": name}, run=run) for name, run in attention.items()
    )
    return judge_trials(
        stated,
        trials,
        model=model,
        predicted=predicted,
        candidates=candidates,
        largest=largest,
    )


def judge_trials(
    stated: RunAsStated, trials: tuple[Trial, ...], *, model: ModelFacts | None = None, **facts: Any
) -> Judgement:
    return device_0_out_of_memory.judge(
        stated=stated,
        model=model or named(),
        fixes=FixesFacts(status="tried", runs=trials) if trials else None,
        **{"predicted": None, "candidates": None, "largest": None, **facts},
    )


def not_run(obstacle: str, reason: str = "of this", **changes: Any) -> RunAsStated:
    return RunAsStated(status="not_run", obstacle=obstacle, reason=reason, **changes)


def test_eager_fails_and_sdpa_is_the_verified_cure() -> None:
    judgement = judge(out_of_memory(), sdpa=ran(Run))
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
        sdpa=out_of_memory(Run, "sdpa"),
        flash_attention_2=ran(Run, "flash_attention_2"),
    )
    assert ["flash_attention_2" in (fix.code or "") for fix in judgement.fixes] == [True]
    assert judgement.evidence["runs"]["sdpa"].startswith("out of memory in model.visual")


def test_without_a_cure_the_images_are_limited_by_inversion() -> None:
    judgement = judge(out_of_memory(), sdpa=out_of_memory(Run, "sdpa"))
    [fix] = judgement.fixes
    assert not fix.verified
    assert fix.code is not None and "max_pixels=" in fix.code
    patches = int(fix.code.split("max_pixels=")[1].split("\n")[0]) // 14**2
    assert 10 * 16 * patches**2 <= LIMIT - WEIGHTS < 10 * 16 * (patches + 4) ** 2


def test_an_old_release_gets_its_own_keyword() -> None:
    stated = out_of_memory(transformers="4.49.0")
    [fix] = judge(stated, sdpa=ran(Run)).fixes
    assert fix.code is not None and "torch_dtype=torch.bfloat16" in fix.code


def test_two_gpus_and_what_the_other_held() -> None:
    failure = vision(
        readings=(
            Reading(index=0, allocated_bytes=9 * GIB, reserved_bytes=9 * GIB, free_bytes=60 * GIB),
            Reading(index=1, allocated_bytes=8 * GIB, reserved_bytes=8 * GIB, free_bytes=60 * GIB),
        )
    )
    stated = out_of_memory(failure=failure, cards=(card(0), card(1)), device_map="auto")
    judgement = judge(stated, sdpa=ran(Run, cards=(card(0), card(1))))
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
    chart = judge(out_of_memory(), sdpa=ran(Run)).charts[0]
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
    judgement = judge(ran(), eager=out_of_memory(Run))
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.title == "Qwen2.5-VL-7B with sdpa fits: peak 16.45 GiB of 23.49 GiB on GPU 0"
    assert "ran out of memory with eager" in judgement.cause
    assert judgement.evidence["runs"]["eager"].startswith("out of memory")


def test_what_fits_in_every_way_warns_of_nothing() -> None:
    judgement = judge(ran(), eager=ran(Run, "eager"))
    assert judgement.outcome is Outcome.PASS
    assert "out of memory" not in judgement.cause


def test_runs_that_were_not_made_are_not_mentioned() -> None:
    same = Run(status="not_run", obstacle="unavailable", reason="not installed")
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


def test_images_and_videos_are_counted() -> None:
    load = Load(patches=(64, 256), video_patches=(4096,), prompt_tokens=1200)
    assert judge(ran(load=load)).cause.startswith(
        "2 images of up to 256 patches and one video of 4096 patches in a prompt of 1200 tokens"
    )


def tried(name: str, run: Run, **changes: Any) -> Trial:
    return Trial(name=name, changes=changes, run=run)


def test_each_change_that_ran_is_prescribed_with_its_peak() -> None:
    judgement = judge_trials(
        out_of_memory(device_map="auto"),
        (
            tried("batch=2", ran(Run), batch=2),
            tried("logits_to_keep=1", ran(Run), logits_to_keep=1),
            tried("prefill_chunk_size=1024", ran(Run), prefill_chunk_size=1024),
            tried("max_memory", ran(Run), device_map="auto", max_memory={"0": GIB, "1": 4 * GIB}),
            tried("bfloat16", ran(Run), dtype="bfloat16"),
            tried("sdpa, max_pixels=784000", ran(Run), attention="sdpa", max_pixels=784000),
        ),
    )
    assert all(fix.verified for fix in judgement.fixes)
    assert all("16.45 GiB" in str(fix.verification) for fix in judgement.fixes)
    code = [fix.code or "" for fix in judgement.fixes]
    assert "batch_size = 2" in code[0]
    assert "model(**inputs, logits_to_keep=1)" in code[1]
    assert "prefill_chunk_size=1024" in code[2]
    assert 'max_memory={0: "1024MiB", 1: "4096MiB"}' in code[3]
    assert "dtype=torch.bfloat16" in code[4] and 'attn_implementation="eager"' in code[4]
    assert "max_pixels=784000" in code[5] and 'attn_implementation="sdpa"' in code[5]
    assert "1000 visual tokens" in judgement.fixes[5].summary


def test_a_change_that_was_not_run_is_not_called_verified() -> None:
    missing = Run(status="not_run", obstacle="unavailable", reason="flash-attn is not installed")
    name = "flash_attention_2"
    candidates = CandidatesFacts(
        status="searched",
        candidates=(
            Candidate(
                name=name,
                changes={"attention": name},
                fits=True,
                devices=(predicted_device(),),
            ),
        ),
    )
    [fix] = judge(out_of_memory(), candidates=candidates, flash_attention_2=missing).fixes
    assert not fix.verified
    assert "predicted to fit, with a peak of 16.45 GiB" in fix.summary
    assert "It was not run: flash-attn is not installed" in fix.summary


def test_nothing_needs_to_be_installed_where_another_change_helps() -> None:
    missing = Run(status="not_run", obstacle="unavailable", reason="flash-attn is not installed")
    [fix] = judge(out_of_memory(), flash_attention_2=missing, sdpa=ran(Run)).fixes
    assert fix.verified
    late = Run(status="not_run", obstacle="no_time", reason="no time was left to run it")
    first, second = judge(out_of_memory(), flash_attention_2=late, sdpa=ran(Run)).fixes
    assert first.verified and not second.verified


@pytest.mark.parametrize("obstacle", ["predicted_not_to_fit", "enough"])
def test_a_change_that_is_of_no_use_is_not_prescribed(obstacle: str) -> None:
    skipped = Run(status="not_run", obstacle=obstacle, reason="of something")
    [fix] = judge(out_of_memory(), sdpa=skipped).fixes
    assert "max_pixels" in (fix.code or "")


def test_predicted_and_measured_stand_side_by_side() -> None:
    judgement = judge(ran(), predicted=predicted(predicted_device(peak_allocated_bytes=WEIGHTS)))
    weights, peak, reserved = judgement.evidence["predicted_and_measured"]
    assert weights["measured_gib"] == weights["predicted_gib"]
    assert peak["measured_gib"] == round((WEIGHTS + GIB) / GIB, 3)
    assert peak["predicted_gib"] == round(WEIGHTS / GIB, 3)
    assert peak["error_percent"] == round(-GIB / (WEIGHTS + GIB) * 100, 3)
    assert reserved["error_percent"] == 0


def test_a_failed_run_has_no_peak_to_compare_but_a_place() -> None:
    judgement = judge(out_of_memory(), predicted=predicted(failing_device()))
    _, peak, _ = judgement.evidence["predicted_and_measured"]
    assert peak["measured_gib"] is None and peak["error_percent"] is None
    [place] = judgement.evidence["where_the_peak_is"]
    assert place["measured"] == "failed in model.visual.blocks.7.attn (vision)"
    assert place["predicted"] == "fails in model.visual.blocks.7.attn (vision)"


def test_the_largest_image_is_told_with_the_runs_on_both_sides() -> None:
    largest = LargestImageFacts(
        status="tried",
        predicted_side=1960,
        unit=28,
        fits_side=1960,
        fails_side=1988,
        runs=(
            SideRun(side=1960, run=ran(Run)),
            SideRun(side=1988, run=out_of_memory(Run)),
        ),
    )
    judgement = judge(ran(), largest=largest)
    assert "largest square image that fits is 1960 x 1960; 1988 x 1988 does not" in judgement.cause
    told = judgement.evidence["largest_square_image"]
    assert told["fits_px"] == told["predicted_px"] == 1960
    assert told["runs"]["1988 x 1988"].startswith("out of memory in model.visual")


def test_the_processors_limit_is_not_called_the_cards() -> None:
    largest = LargestImageFacts(
        status="tried",
        predicted_side=3584,
        unit=28,
        at_the_limit=True,
        fits_side=3584,
        runs=(SideRun(side=3584, run=ran(Run)),),
    )
    assert "the largest that the processor makes" in judge(ran(), largest=largest).cause


def test_memory_over_time_with_the_failing_request_on_top() -> None:
    judgement = judge(out_of_memory(history=(history(),)))
    area, _bars = judgement.charts
    assert area.kind == "area"
    assert area.title.endswith("most in model.visual.blocks.7.attn")
    series = {one.name: one for one in area.series}
    assert list(series) == ["weights", "inputs", "vision", "request that failed"]
    assert series["weights"].points[1] == (700.0, round((WEIGHTS + GIB) / GIB, 3))
    assert series["request that failed"].points == ((700.0, round(SCORES / GIB, 3)),)
    assert series["request that failed"].emphasis == "bad"
    assert area.threshold == round(LIMIT / GIB, 3)


def test_without_a_recording_the_predicted_history_is_shown() -> None:
    area, _bars = judge(out_of_memory(), predicted=predicted(failing_device())).charts
    assert area.title.startswith("Predicted memory of GPU 0")
    assert [one.name for one in area.series] == ["weights", "vision", "request that failed"]
