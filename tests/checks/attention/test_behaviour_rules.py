"""What the rules make of a small model's behaviour."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun, Difference, VisionRun
from qvl_checks.attention.forward_differs_from_reference import forward_differs_from_reference
from qvl_checks.attention.padding_changes_answers import padding_changes_answers
from qvl_checks.attention.sliding_window_mask_wrong import sliding_window_mask_wrong
from qvl_checks.attention.vision_sdpa_precision import vision_sdpa_precision
from qvl_checks.generation.stale_rope_deltas import stale_rope_deltas
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.wrong_position_ids import wrong_position_ids
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome

MODEL = ModelFacts(
    name="x",
    source="folder",
    model_type="qwen2_5_vl",
    family="Qwen2.5-VL",
    config={"use_sliding_window": False, "sliding_window": 32768},
)
MISPLACED = Difference(
    what="positions",
    phase="decode",
    row=1,
    token=11,
    kind="new",
    wrong=2,
    of=13,
    dimensions=("t", "h", "w"),
    expected=(9.0, 9.0, 9.0),
    found=(-28.0, -28.0, -28.0),
    wrong_kinds=("new",),
)
OFF = Difference(
    what="logits", phase="prefill", row=0, token=8, kind="image", wrong=40, of=48, error=1.3
)
MOVED = msgspec.structs.replace(OFF, cause="positions")
SOUND = CaseRun(name="image", path="forward", error=1e-6)
TEXT = CaseRun(name="text", path="generate", error=1e-6)
BATCH = CaseRun(
    name="left-padded batch", path="generate", padding="left", error=1e-6, from_alone=1e-6
)
LATER = CaseRun(name="image after another prompt", path="forward", after_another=True, error=1e-6)
WINDOWS = tuple(
    CaseRun(name=name, path="forward", implementation="sdpa", error=1e-6)
    for name in ("window off", "window on")
)
SEES = VisionRun(
    implementation="sdpa",
    name="image",
    error=1e-6,
    bfloat16_error=0.014,
    calls=5,
    dimensions=4,
    largest=140,
)


def wrong(case: CaseRun, *differences: Difference, **changes: Any) -> CaseRun:
    return msgspec.structs.replace(case, differences=differences, error=1.0, **changes)


def behaviour(*cases: CaseRun, **changes: Any) -> BehaviourFacts:
    fields: dict[str, Any] = {
        "transformers": "4.99.0",
        "model_type": "qwen2_5_vl",
        "window": 16,
        "cases": cases or (SOUND, TEXT, BATCH, LATER),
        "windows": WINDOWS,
        "vision": (SEES,),
    }
    return BehaviourFacts(**{**fields, **changes})


NOT_RUN = BehaviourFacts(reason="the model is not of a family whose architecture is known here")


# positions


def positions(facts: BehaviourFacts | None, target: TargetFacts, release: str = "4.99.0") -> Any:
    return wrong_position_ids.judge(installed(release), MODEL, WorkloadFacts(), target, facts)


def installed(release: str) -> PackagesFacts:
    return PackagesFacts(installed={"transformers": release})


def test_a_wrong_position_is_named_with_its_token_and_place(target: TargetFacts) -> None:
    facts = behaviour(SOUND, wrong(BATCH, MISPLACED, MOVED, from_alone=0.6))
    judgement = positions(facts, target)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert len(judgement.fixes) == 1 and not judgement.fixes[0].command
    for part in ("left-padded batch", "generate", "token 11", "prompt 1", "decode", "(-28, -28"):
        assert part in judgement.cause
    assert "No report is known here for: left-padded batch" in judgement.cause
    assert "attention.padding-changes-answers" in judgement.explains


def test_what_was_measured_counts_more_than_the_table(target: TargetFacts) -> None:
    seen_right = positions(behaviour(), target, "4.55.4")
    assert seen_right.outcome is Outcome.PASS
    assert seen_right.confidence is Confidence.MEASURED
    assert "not seen" in seen_right.cause
    assert positions(None, target, "4.55.4").outcome is Outcome.FAIL
    assert positions(NOT_RUN, target, "4.55.4").outcome is Outcome.FAIL


def test_a_known_defect_is_told_apart_from_an_unknown_one(target: TargetFacts) -> None:
    facts = behaviour(wrong(SOUND, MISPLACED), wrong(BATCH, MISPLACED))
    judgement = positions(facts, target, "4.55.4")
    assert [row["condition"] for row in judgement.evidence["defects"]] == [
        "batches with left padding"
    ]
    assert "No report is known here for: image." in judgement.cause
    assert judgement.fixes[0].command[-1] == "transformers==4.57.1"


def test_runs_that_raised_prove_nothing(target: TargetFacts) -> None:
    broken = behaviour(CaseRun(name="image", path="forward", reason="RuntimeError: x"))
    assert positions(broken, target).confidence is Confidence.DERIVED


# an earlier prompt


def stale(facts: BehaviourFacts | None, target: TargetFacts, release: str) -> Any:
    return stale_rope_deltas.judge(installed(release), MODEL, target, facts)


def test_a_second_prompt_with_the_offset_of_the_first(target: TargetFacts) -> None:
    facts = behaviour(SOUND, wrong(LATER, MISPLACED, MOVED))
    judgement = stale(facts, target, "4.99.0")
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.MEASURED
    assert "rope_deltas = None" in judgement.fixes[0].code


def test_a_second_prompt_that_is_as_wrong_as_the_first(target: TargetFacts) -> None:
    facts = behaviour(wrong(SOUND, MISPLACED), wrong(LATER, MISPLACED))
    assert stale(facts, target, "5.4.0").outcome is Outcome.PASS


def test_a_harmless_offset_passes_whatever_the_table_says(target: TargetFacts) -> None:
    assert stale(None, target, "5.3.0").outcome is Outcome.FAIL
    assert stale(behaviour(), target, "5.3.0").outcome is Outcome.PASS


# padding


def test_padding_that_changes_answers() -> None:
    judgement = padding_changes_answers.judge(
        behaviour(SOUND, wrong(BATCH, MISPLACED, MOVED, from_alone=0.65)), MODEL, WorkloadFacts()
    )
    assert judgement.outcome is Outcome.FAIL
    assert "0.7 off" in judgement.cause and "token 11" in judgement.cause


def test_answers_that_are_not_finite_are_other_answers() -> None:
    facts = behaviour(msgspec.structs.replace(BATCH, from_alone=None))
    assert padding_changes_answers.judge(facts, MODEL, WorkloadFacts()).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (behaviour(), Outcome.PASS),
        # Wrong alone as well: padding changes nothing.
        (behaviour(wrong(BATCH, MISPLACED, from_alone=1e-6)), Outcome.PASS),
        (behaviour(msgspec.structs.replace(BATCH, reason="ValueError")), Outcome.BLOCKED),
        (NOT_RUN, Outcome.NOT_APPLICABLE),
    ],
)
def test_padding_that_does_not(facts: BehaviourFacts, outcome: Outcome) -> None:
    assert padding_changes_answers.judge(facts, MODEL, WorkloadFacts()).outcome is outcome


# the sliding window


def with_window(facts: BehaviourFacts, target: TargetFacts, **config: Any) -> Any:
    model = msgspec.structs.replace(MODEL, config={**MODEL.config, **config})
    return sliding_window_mask_wrong.judge(facts, model, WorkloadFacts(), target)


IN_EVERY_LAYER = msgspec.structs.replace(OFF, kind="text", cause="sliding window in every layer")


def test_a_window_that_is_off_and_hides(target: TargetFacts) -> None:
    facts = behaviour(windows=(wrong(WINDOWS[0], IN_EVERY_LAYER), WINDOWS[1]))
    judgement = with_window(facts, target)
    assert judgement.outcome is Outcome.FAIL
    assert "sliding window in every layer" in judgement.cause and "32768" in judgement.cause
    assert with_window(facts, target, use_sliding_window=True).outcome is Outcome.PASS


def test_a_window_that_is_on_and_misplaced(target: TargetFacts) -> None:
    facts = behaviour(windows=(WINDOWS[0], wrong(WINDOWS[1], IN_EVERY_LAYER)))
    assert with_window(facts, target, use_sliding_window=True).outcome is Outcome.FAIL
    spared = with_window(facts, target)
    assert spared.outcome is Outcome.PASS
    assert "misplaced" in spared.cause


def test_windows_that_are_obeyed_or_absent(target: TargetFacts) -> None:
    assert with_window(behaviour(), target).outcome is Outcome.PASS
    assert with_window(behaviour(window=None), target).outcome is Outcome.NOT_APPLICABLE
    assert with_window(behaviour(windows=()), target).outcome is Outcome.BLOCKED
    assert with_window(NOT_RUN, target).outcome is Outcome.NOT_APPLICABLE


# everything else


def differs(facts: BehaviourFacts, load: WorkloadFacts = WorkloadFacts()) -> Any:  # noqa: B008
    return forward_differs_from_reference.judge(facts, MODEL, load)


def test_an_answer_that_nothing_explains() -> None:
    judgement = differs(behaviour(wrong(SOUND, OFF)))
    assert judgement.outcome is Outcome.FAIL
    assert "token 8" in judgement.cause
    assert judgement.evidence["differences"]["image, forward"]["explained_by"] == "nothing known"


def test_an_answer_with_a_known_explanation_and_a_way_around() -> None:
    packed = msgspec.structs.replace(OFF, cause="masked like packed prompts")
    judgement = differs(behaviour(wrong(SOUND, packed)))
    assert judgement.outcome is Outcome.FAIL
    assert len(judgement.fixes) == 1 and "attention_mask" in judgement.fixes[0].summary


@pytest.mark.parametrize("error", [0.02, None])
def test_a_tower_that_sees_something_else(error: float | None) -> None:
    judgement = differs(behaviour(vision=(msgspec.structs.replace(SEES, error=error),)))
    assert judgement.outcome is Outcome.FAIL
    assert "vision" in judgement.title


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (behaviour(), Outcome.PASS),
        # Other rules' business.
        (behaviour(wrong(SOUND, MISPLACED, MOVED)), Outcome.PASS),
        (behaviour(SOUND, wrong(BATCH, OFF, from_alone=0.3)), Outcome.PASS),
        (behaviour(SOUND, wrong(LATER, OFF)), Outcome.PASS),
        (behaviour(CaseRun(name="image", path="forward", reason="x")), Outcome.BLOCKED),
        (NOT_RUN, Outcome.NOT_APPLICABLE),
    ],
)
def test_answers_that_are_explained_or_right(facts: BehaviourFacts, outcome: Outcome) -> None:
    assert differs(facts).outcome is outcome


EAGER = msgspec.structs.replace(SOUND, path="generate", implementation="eager")
PICTURE = WorkloadFacts(stated=True, images=((640, 480),))


def test_attention_that_is_wrong_with_eager_only() -> None:
    facts = behaviour(SOUND, eager=(wrong(EAGER, OFF),))
    found = differs(facts)
    assert found.outcome is Outcome.FAIL
    assert "with eager" in found.cause
    assert differs(facts, PICTURE).outcome is Outcome.PASS, "the load runs sdpa"
    assert "with eager" in differs(facts, PICTURE).cause
    eagerly = msgspec.structs.replace(PICTURE, attention="eager")
    assert differs(facts, eagerly).outcome is Outcome.FAIL


def test_answers_that_the_stated_load_does_not_ask_for() -> None:
    without = CaseRun(name="image, without an attention mask", path="forward", error=1e-6)
    facts = behaviour(SOUND, TEXT, wrong(without, OFF))
    assert differs(facts).outcome is Outcome.FAIL
    spared = differs(facts, PICTURE)
    assert spared.outcome is Outcome.PASS and "wrong for others" in spared.cause
    forward = msgspec.structs.replace(PICTURE, mode="forward")
    assert differs(facts, forward).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, Outcome.PASS), (0.002, Outcome.PASS), (0.02, Outcome.PASS), (0.3, Outcome.FAIL)],
)
def test_a_rotary_embedding_that_rounds_positions(error: float | None, outcome: Outcome) -> None:
    found = differs(behaviour(rotary_error=error))
    assert found.outcome is outcome
    assert ("rotary" in found.cause) is (outcome is Outcome.FAIL)


def test_a_window_that_explains_nothing_is_not_blamed(target: TargetFacts) -> None:
    early = msgspec.structs.replace(OFF, kind="text", token=1)
    facts = behaviour(windows=(wrong(WINDOWS[0], early), WINDOWS[1]))
    assert with_window(facts, target).outcome is Outcome.INCONCLUSIVE
    assert differs(facts).outcome is Outcome.FAIL
    late = msgspec.structs.replace(OFF, kind="text", token=16)
    facts = behaviour(windows=(wrong(WINDOWS[0], late), WINDOWS[1]))
    assert with_window(facts, target).outcome is Outcome.FAIL, "nothing is wrong before the window"
    assert differs(facts).outcome is Outcome.PASS


def test_what_was_not_compared_is_said() -> None:
    broken = CaseRun(name="video", path="forward", reason="StopIteration")
    judgement = differs(behaviour(SOUND, broken))
    assert judgement.outcome is Outcome.PASS
    assert "Not compared" in judgement.cause and "video" in judgement.cause


# the vision tower's sdpa


def sdpa(facts: BehaviourFacts | None, target: TargetFacts, release: str) -> Any:
    return vision_sdpa_precision.judge(
        installed(release), MODEL, WorkloadFacts(), target, None, facts
    )


def test_the_mask_of_the_vision_tower_is_seen(target: TargetFacts) -> None:
    dense = behaviour(vision=(msgspec.structs.replace(SEES, masked=True, dimensions=3),))
    judgement = sdpa(dense, target, "4.51.3")
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence is Confidence.REPORTED, "the mask was measured, the loss was not"
    assert "140 patches" in judgement.cause
    for release in ("4.51.3", "5.23.0"):
        without = sdpa(behaviour(), target, release)
        assert without.outcome is Outcome.PASS
        assert without.confidence is Confidence.MEASURED
