"""The drift rules on facts made by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_facts import Cell, DriftFacts
from qvl_checks.attention.drift_fixes import percent
from qvl_checks.attention.drift_verdict import drifts
from qvl_checks.attention.eager_precision_drift import eager_precision_drift
from qvl_checks.attention.fp16_overflow import fp16_overflow
from qvl_checks.attention.model_drift_facts import Distance, ModelCell, ModelDriftFacts
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix, Outcome
from qvl_doctor.judgement import Judgement

MODEL = ModelFacts(name="Qwen2.5-VL-7B", source="published", family="Qwen2.5-VL")
OFFSETS = (0.0, 16.0, 64.0, 1024.0, 8192.0)
SOURCE = "# what was executed\n"
USE = f'model.set_attn_implementation({{"text_config": "{CURE}"}})'


def eager_error(offset: float) -> float:
    """About 0.29 units in the last place of a bfloat16 logit, as measured."""
    return min(0.01 + offset / 128 * 0.29, 0.98)


def attention(dtype: str = "bfloat16", **changed: dict[float, float | None]) -> DriftFacts:
    """Sound sdpa and cure, eager as measured; ``sdpa={64.0: 0.5}`` changes cells."""
    cells = []
    for name in ("eager", CURE, "sdpa"):
        for offset in OFFSETS:
            error: float | None = eager_error(offset) if name == "eager" else 0.002
            error = changed.get(name, {}).get(offset, error)
            cells.append(
                Cell(
                    implementation=name,
                    dtype=dtype,
                    offset=offset,
                    length=256,
                    overflowing=100 if dtype == "float16" and offset > 5790 else 0,
                    error=error,
                    nonfinite=0 if error is not None else 64,
                )
            )
    origins = dict.fromkeys(("eager", CURE, "sdpa"), "test")
    return DriftFacts(torch="2.13.0", head_dim=128, origins=origins, cells=tuple(cells))


def through(selected: str = "sdpa", **changed: Any) -> ModelDriftFacts:
    """A model whose eager run is off by 58 % at the planted offset; errors by keyword."""
    errors = {"eager": 0.58, "sdpa": 0.012, CURE: 0.0117, **changed.pop("errors", {})}
    cells = tuple(
        ModelCell(
            implementation=name,
            offset=724.0,
            key_bias_norm=724.0,
            from_float32=Distance(
                error=error, top1=None if error is None else 1 - error, nonfinite=error is None
            ),
        )
        for name, error in errors.items()
    )
    facts = ModelDriftFacts(
        transformers="5.23.0",
        dtype="bfloat16",
        selected=selected,
        has_key_bias=True,
        layers=4,
        head_dim=128,
        causal={CURE: True},
        cure_source=SOURCE,
        cure_use=USE,
        sdpa_use='model.set_attn_implementation({"text_config": "sdpa"})',
        cells=cells,
    )
    return msgspec.structs.replace(facts, **changed)


def drift(
    alone: DriftFacts | None = None, inside: ModelDriftFacts | None = None, dtype: str = "bfloat16"
) -> Judgement:
    return eager_precision_drift.judge(
        attention=alone or attention(dtype),
        through=inside or through(),
        model=MODEL,
        workload=WorkloadFacts(dtype=dtype, attention="eager"),
    )


def codes(judgement: Judgement) -> list[str]:
    return [fix.code for fix in judgement.fixes if fix.code]


def test_eager_in_bfloat16_fails_with_cures_that_were_executed() -> None:
    judgement = drift(inside=through("eager"))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert "58%" in judgement.title
    assert codes(judgement) == [
        'model.set_attn_implementation({"text_config": "sdpa"})',
        f"{SOURCE}\n{USE}\n",
    ]
    assert all(fix.verified for fix in judgement.fixes)
    assert judgement.evidence["first_offset_that_drifts"] == {
        "eager": 64.0,
        "sdpa": None,
        CURE: None,
    }


def test_the_title_speaks_of_trained_magnitudes_not_of_the_first_trace() -> None:
    inside = through("eager")
    mild = ModelCell(
        implementation="eager",
        offset=91.0,
        key_bias_norm=91.0,
        from_float32=Distance(error=0.19, top1=0.9),
    )
    cells = (mild, *inside.cells)
    assert "58%" in drift(inside=msgspec.structs.replace(inside, cells=cells)).title


def test_sdpa_passes_and_says_from_where_eager_would_not() -> None:
    judgement = drift()
    assert judgement.outcome is Outcome.PASS
    assert "eager would not be from 64 on" in judgement.title
    assert codes(judgement) == [f"{SOURCE}\n{USE}\n"]
    assert [chart.kind for chart in judgement.charts] == ["line", "bar"]


def test_a_family_without_a_key_bias_is_immune_and_the_report_says_why() -> None:
    inside = through(
        "eager",
        has_key_bias=False,
        has_key_norm=True,
        errors={"eager": 0.0066, "sdpa": 0.0064, CURE: 0.0064},
    )
    judgement = drift(inside=inside)
    assert judgement.outcome is Outcome.PASS
    assert "keys are normalised" in judgement.cause
    assert "offsets that this family does not have" in judgement.cause
    assert judgement.charts


def test_a_model_that_drifts_without_a_bias_fails_all_the_same() -> None:
    judgement = drift(inside=through("eager", has_key_bias=False))
    assert judgement.outcome is Outcome.FAIL


def test_an_eager_that_no_longer_rounds_passes() -> None:
    mended = dict.fromkeys(OFFSETS, 0.002)
    judgement = drift(attention(eager=mended), through("eager", errors={"eager": 0.012}))
    assert judgement.outcome is Outcome.PASS
    assert "eager would not be" not in judgement.title


def test_a_drifting_sdpa_fails_too_and_is_not_offered_as_a_cure() -> None:
    judgement = drift(attention(sdpa={1024.0: 0.9}), through("sdpa", errors={"sdpa": 0.7}))
    assert judgement.outcome is Outcome.FAIL
    assert codes(judgement) == [f"{SOURCE}\n{USE}\n"]


def test_values_that_are_not_finite_fail() -> None:
    judgement = drift(attention(sdpa={1024.0: None}), through("sdpa", errors={"sdpa": None}))
    assert judgement.outcome is Outcome.FAIL
    assert "not finite" in judgement.title


@pytest.mark.parametrize(
    "unsound", [{"causal": {CURE: False}}, {"causal": {}}, {"errors": {CURE: 0.4}}]
)
def test_a_cure_that_was_not_seen_to_work_is_not_prescribed(unsound: dict[str, Any]) -> None:
    assert f"{SOURCE}\n{USE}\n" not in codes(drift(inside=through("eager", **unsound)))


def test_where_attention_is_a_class_the_code_comes_before_loading() -> None:
    old = through("eager", cure_use="", sdpa_use="")
    loading = [code.splitlines()[-1] for code in codes(drift(inside=old))]
    assert ["from_pretrained" in line for line in loading] == [True, True]


def test_an_implementation_that_cannot_be_built_blocks() -> None:
    judgement = drift(inside=through("", selected_reason="ImportError: no flash_attn"))
    assert judgement.outcome is Outcome.BLOCKED
    assert "no flash_attn" in judgement.cause


@pytest.mark.parametrize(
    "inside",
    [
        ModelDriftFacts(reason="unknown family"),
        through("flash_attention_3", missing={"flash_attention_3": "no kernel"}),
    ],
)
def test_what_was_not_measured_never_passes(inside: ModelDriftFacts) -> None:
    assert drift(inside=inside).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("error", "sound", "verdict"),
    [
        (0.06, 0.02, False),  # as bad as the others: not this implementation's fault
        (0.02, 0.0003, False),  # a hundred times worse than nothing is still nothing
        (0.05, 0.01, True),
        (None, 0.01, True),
        (0.9, None, False),  # nothing to compare with
    ],
)
def test_drift_is_relative_to_a_sound_implementation_and_has_a_floor(
    error: float | None, sound: float | None, verdict: bool
) -> None:
    assert drifts(error, sound) is verdict


def overflow(
    alone: DriftFacts | None = None,
    inside: ModelDriftFacts | None = None,
    dtype: str = "float16",
) -> Judgement:
    return fp16_overflow.judge(
        attention=alone or attention("float16", eager={8192.0: None}),
        through=inside or through("eager", dtype="float16"),
        workload=WorkloadFacts(dtype=dtype),
    )


def fixes_by_kind(judgement: Judgement) -> list[Fix]:
    return [fix for fix in judgement.fixes if fix.verified]


def test_float16_eager_fails_where_the_product_overflows() -> None:
    judgement = overflow()
    assert judgement.outcome is Outcome.FAIL
    assert "overflows to NaN" in judgement.title
    assert "5790" in judgement.cause
    assert judgement.evidence["largest_finite_offset_in_float16"] == {
        "eager": 1024.0,
        "sdpa": 8192.0,
        CURE: 8192.0,
    }
    assert len(fixes_by_kind(judgement)) == 2


def test_an_overflow_hidden_as_zeros_fails_as_well() -> None:
    judgement = overflow(attention("float16", eager={8192.0: 0.97}))
    assert judgement.outcome is Outcome.FAIL
    assert "zeros" in judgement.title


def test_float16_sdpa_passes() -> None:
    judgement = overflow(inside=through("sdpa", dtype="float16"))
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED


def test_the_question_does_not_arise_in_bfloat16() -> None:
    judgement = overflow(dtype="bfloat16")
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert judgement.evidence["products_overflow_from_offset"] == 5790


def test_float16_eager_is_tolerated_where_the_family_does_not_get_there() -> None:
    assert overflow(inside=through("eager", has_key_bias=False)).outcome is Outcome.PASS


def test_an_implementation_that_was_not_tried_beyond_the_range_does_not_pass() -> None:
    judgement = overflow(inside=through("flash_attention_3", dtype="float16"))
    assert judgement.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.00191, "0.19 %"), (0.0664, "6.6 %"), (0.14, "14 %"), (3.2, "320 %"), (None, "not finite")],
)
def test_errors_are_read_as_percentages(error: float | None, words: str) -> None:
    assert percent(error) == words
