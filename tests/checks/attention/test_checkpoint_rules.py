"""The drift rules on facts about a checkpoint, made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.attention import prediction
from qvl_checks.attention.checkpoint_run_facts import (
    Answers,
    CheckpointRunFacts,
    FirstNonFinite,
    LayerDrift,
    Nearness,
    PromptRun,
)
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.eager_precision_drift import eager_precision_drift
from qvl_checks.attention.fp16_overflow import fp16_overflow
from qvl_checks.attention.key_bias_facts import KeyBiasFacts, LayerPrediction
from qvl_checks.attention.model_drift_facts import (
    Alternative,
    Distance,
    ModelCell,
    ModelDriftFacts,
    VisionDrift,
)
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

MODEL = ModelFacts(name="mine", source="folder", path="/data/mine", family="Qwen2.5-VL")
SOURCE = "# what was executed\n"
USE = "model.use()"


def stack(dtype: str = "bfloat16") -> DriftFacts:
    """Attention alone: eager drifts from 64 on and overflows in float16, sdpa is sound."""
    cells = []
    for name, offset, error in (
        ("eager", 64.0, 0.14),
        ("eager", 8192.0, None if dtype == "float16" else 0.98),
        ("sdpa", 64.0, 0.002),
        ("sdpa", 8192.0, 0.002),
        (CURE, 64.0, 0.002),
        (CURE, 8192.0, 0.002),
    ):
        beyond = int(dtype == "float16" and offset > 5790)
        cells.append(
            Cell(
                implementation=name,
                dtype=dtype,
                offset=offset,
                length=256,
                error=error,
                overflowing=beyond,
                nonfinite=0 if error else 7,
            )
        )
    return DriftFacts(head_dim=128, cells=tuple(cells), origins={"eager": "", "sdpa": ""})


def family(selected: str, dtype: str = "bfloat16", **more: Any) -> ModelDriftFacts:
    cells = tuple(
        ModelCell(
            implementation=name,
            offset=724.0,
            key_bias_norm=724.0,
            from_float32=Distance(error=error, top1=1 - error, kl=error),
        )
        for name, error in (("eager", 0.4), ("sdpa", 0.01), (CURE, 0.01))
    )
    known = {
        "has_key_bias": True,
        "head_dim": 128,
        "layers": 4,
        "cells": cells,
        "causal": {CURE: True},
        "cure_source": SOURCE,
        "cure_use": USE,
        "sdpa_use": "model.sdpa()",
        "transformers": "5.23.0",
    }
    return ModelDriftFacts(selected=selected, dtype=dtype, **{**known, **more})


def layer(number: int, offset: float, error: float, **more: Any) -> LayerPrediction:
    known = {
        "tower": "text",
        "has_key_bias": True,
        "key_bias_norm": offset,
        "offset": offset,
        "largest_product": offset * 128**0.5,
        "error_bfloat16": error,
        "error_float16": error / 8 if offset < 5790 else None,
    }
    return LayerPrediction(layer=number, **{**known, **more})


def biases(*layers: LayerPrediction, **more: Any) -> KeyBiasFacts:
    return KeyBiasFacts(state="read", head_dim=128, layers=layers, **more)


TRAINED = biases(layer(0, 724.0, 0.8), layer(1, 5.0, 0.01), layer(27, 9000.0, 0.95))
CALM = biases(layer(0, 5.0, 0.01), layer(1, 19.0, 0.03))


def near(error: float | None, top1: float | None = None) -> Nearness:
    return Nearness(error=error, top1=top1, kl=None if error is None else error**2)


def measured(
    eager: tuple[float | None, ...],
    *,
    selected: str = "eager",
    dtype: str = "bfloat16",
    agreement: float | None = 0.4,
    first: FirstNonFinite | None = None,
    reference: Answers | None = None,
    weights: str = "checkpoint",
    overflowing: float = 0.0,
) -> CheckpointRunFacts:
    """A run in which eager's layers have these local errors."""
    layers = tuple(
        LayerDrift(
            layer=number,
            offset=700.0 if error is None or error > 0.05 else 4.0,
            largest_product=127000.0 if overflowing else 8000.0,
            overflowing=overflowing,
            local={"eager": error, "sdpa": 0.002},
            drift={"eager": error, "sdpa": 0.003, "float32": 0.01},
        )
        for number, error in enumerate(eager)
    )
    answers = {
        "eager": Answers(
            from_fp32_logits=near(0.5 if agreement is not None else None, agreement),
            from_float32=near(0.5 if agreement is not None else None, agreement),
            first_nonfinite=first,
            nonfinite_logits=100 if first else 0,
            next_token=0 if first else 17,
        ),
        "sdpa": Answers(from_fp32_logits=near(0.009, 0.98), from_float32=near(0.01, 0.97)),
        CURE: reference or Answers(from_float32=near(0.01, 0.97)),
    }
    prompt = PromptRun(name="built-in", tokens=600, implementations=answers, layers=layers)
    return CheckpointRunFacts(
        status="ran",
        weights=weights,
        selected=selected,
        dtype=dtype,
        device="cuda:0",
        prompts=(prompt,),
        cure_source=SOURCE,
        cure_use=USE,
        sdpa_use="model.sdpa()",
        transformers="5.23.0",
    )


def drift(
    selected: str,
    stored: KeyBiasFacts | None = None,
    run: CheckpointRunFacts | None = None,
    **more: Any,
) -> Judgement:
    return eager_precision_drift.judge(
        attention=stack(),
        through=family(selected, **more),
        model=MODEL,
        workload=WorkloadFacts(attention=selected),
        biases=stored,
        run=run,
    )


def overflow(
    selected: str,
    stored: KeyBiasFacts | None = None,
    run: CheckpointRunFacts | None = None,
    dtype: str = "float16",
) -> Judgement:
    return fp16_overflow.judge(
        attention=stack("float16"),
        through=family(selected, "float16"),
        workload=WorkloadFacts(attention=selected, dtype=dtype),
        biases=stored,
        run=run,
    )


def test_predicted_layers_are_named_before_any_run() -> None:
    judgement = drift("eager", TRAINED)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.DERIVED
    assert "layers 0 and 27 of this checkpoint" in judgement.title
    assert "724" in judgement.cause
    assert judgement.evidence["prediction"]["breaks_in_bfloat16"] == [0, 27]
    assert judgement.evidence["prediction"]["overflows_in_float16"] == [27]
    assert "each layer's attention" in judgement.charts[0].title


def test_small_biases_make_eager_harmless() -> None:
    judgement = drift("eager", CALM)
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.DERIVED
    assert "too small" in judgement.title
    assert "19" in judgement.cause


def test_a_sound_implementation_passes_and_eager_is_warned_of() -> None:
    judgement = drift("sdpa", TRAINED)
    assert judgement.outcome is Outcome.PASS
    assert "eager would be wrong in layers 0 and 27" in judgement.title


def test_normalised_keys_are_said_to_be_immune() -> None:
    stored = biases(LayerPrediction(tower="text", layer=0, bound=11.3))
    judgement = drift("eager", stored, has_key_bias=False, has_key_norm=True)
    assert judgement.outcome is Outcome.PASS
    assert "normalised" in judgement.cause
    assert "11.3" in judgement.cause


def test_a_bias_that_is_no_number_decides_nothing() -> None:
    stored = biases(layer(0, 5.0, 0.01), LayerPrediction(tower="text", layer=3, nonfinite=True))
    judgement = drift("eager", stored)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "layer 3" in judgement.title


def test_an_unreadable_checkpoint_leaves_the_verdict_on_the_family() -> None:
    stored = KeyBiasFacts(state="unreadable", reason="model.safetensors is damaged")
    judgement = drift("eager", stored)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.evidence["prediction"] == "model.safetensors is damaged"


def test_a_run_decides_over_the_prediction() -> None:
    judgement = drift("eager", TRAINED, measured((0.7, 0.01, 0.3)))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert "changes 60% of this checkpoint's next tokens; it starts in layer 0" in judgement.title
    assert judgement.evidence["built-in prompt"]["layers_that_drift"] == {
        "eager": [0, 2],
        "sdpa": [],
    }
    assert len(judgement.fixes) == 2
    assert all(fix.verified for fix in judgement.fixes)
    assert f"{SOURCE.rstrip()}\n\n{USE}\n" in [fix.code for fix in judgement.fixes]
    assert "97% of the next tokens" in (judgement.fixes[0].verification or "")
    assert "40%" in (judgement.fixes[0].verification or "")


def test_a_run_without_drift_passes_against_the_prediction() -> None:
    judgement = drift("eager", TRAINED, measured((0.004, 0.003), agreement=0.975))
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert "expect drift" in judgement.title


def test_sdpa_is_run_and_passes_beside_a_broken_eager() -> None:
    judgement = drift("sdpa", TRAINED, measured((0.7, 0.01, 0.3), selected="sdpa"))
    assert judgement.outcome is Outcome.PASS
    assert "eager is not, in layers 0 and 2" in judgement.title


def test_drift_that_changes_no_token_decides_nothing() -> None:
    judgement = drift("eager", TRAINED, measured((0.07, 0.01), agreement=0.98))
    assert judgement.outcome is Outcome.INCONCLUSIVE


def test_random_weights_say_nothing_about_a_checkpoint() -> None:
    judgement = drift("eager", None, measured((0.01,), weights="random", agreement=0.98))
    assert judgement.outcome is Outcome.FAIL
    assert "random weights" in judgement.evidence["checkpoint_run"]


def test_float16_overflow_is_foreseen() -> None:
    judgement = overflow("eager", TRAINED)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.DERIVED
    assert "overflow in layer 27" in judgement.title
    assert "`!`" in judgement.cause


@pytest.mark.parametrize(
    ("product", "outcome"),
    [(1000.0, Outcome.PASS), (50000.0, Outcome.INCONCLUSIVE), (70000.0, Outcome.FAIL)],
)
def test_the_range_of_float16_decides(product: float, outcome: Outcome) -> None:
    assert (
        overflow("eager", biases(layer(0, 80.0, 0.1, largest_product=product))).outcome is outcome
    )


def test_bfloat16_is_told_what_float16_would_do() -> None:
    judgement = overflow("eager", TRAINED, dtype="bfloat16")
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "layer 27" in judgement.title
    assert "overflow in" not in overflow("eager", CALM, dtype="bfloat16").title


def test_the_first_layer_that_is_not_finite_is_named() -> None:
    first = FirstNonFinite(layer=2, place="attention", count=9)
    run = measured((0.01, 0.01, None), dtype="float16", agreement=None, first=first)
    judgement = overflow("eager", TRAINED, run)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert "from layer 2 on, in the attention" in judgement.title
    assert "`!`" in judgement.cause
    assert len([fix for fix in judgement.fixes if fix.verified]) == 2


def test_an_overflow_outside_attention_has_another_cure() -> None:
    first = FirstNonFinite(layer=1, place="mlp", count=9)
    spoiled = Answers(first_nonfinite=first, nonfinite_logits=100)
    run = measured((0.01, 0.01), dtype="float16", agreement=None, first=first, reference=spoiled)
    judgement = overflow("eager", CALM, run)
    assert judgement.outcome is Outcome.FAIL
    assert "in the MLP" in judgement.title
    assert "no implementation of attention cures it" in judgement.cause
    assert not any(fix.verified for fix in judgement.fixes)


def test_an_overflow_turned_into_zeros_is_seen() -> None:
    run = measured((0.9, 0.01), dtype="float16", overflowing=1.0)
    judgement = overflow("eager", TRAINED, run)
    assert judgement.outcome is Outcome.FAIL
    assert "zeros" in judgement.title


def test_a_finite_run_in_float16_passes() -> None:
    run = measured((0.01, 0.01), dtype="float16", agreement=0.98)
    judgement = overflow("eager", CALM, run)
    assert judgement.outcome is Outcome.PASS
    assert "8000" in judgement.cause


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([3], "layer 3"),
        ([27, 0], "layers 0 and 27"),
        (range(28), "layers 0, 1, 2, 3, 4, 5, 6 and 21 more"),
    ],
)
def test_layers_are_listed_in_words(numbers: Any, words: str) -> None:
    assert prediction.names(numbers) == words


APART = {"text_config": "sdpa", "vision_config": "eager"}


def way(text: str) -> Alternative:
    near_float32 = Distance(error=0.01, top1=0.98, kl=0.001)
    return Alternative(argument=APART, text=text, vision="eager", from_float32=near_float32)


def test_the_towers_are_set_apart_only_where_the_release_obeys() -> None:
    codes = [fix.code or "" for fix in drift("eager", alternatives=(way("sdpa"),)).fixes]
    assert any('attn_implementation={"text_config": "sdpa"' in code for code in codes)
    ignored = drift("eager", alternatives=(way("eager"),))
    assert not any("text_config" in (fix.code or "") for fix in ignored.fixes)
    assert ignored.evidence["obeyed_at_loading"][0]["text"] == "eager"


def test_the_cure_of_the_vision_tower_is_printed_where_it_was_executed() -> None:
    seen = VisionDrift(offset=716.0, errors={CURE: 0.004, "eager": 0.08}, cure_use="model.see()")
    [fix] = [fix for fix in drift("eager", vision=seen).fixes if SOURCE in (fix.code or "")]
    assert "# for the vision tower: model.see()" in (fix.code or "")
    assert "716" in (fix.verification or "")
    unseen = drift("eager", vision=VisionDrift(missing={CURE: "no"})).fixes
    assert not any("vision tower" in (fix.code or "") for fix in unseen)
