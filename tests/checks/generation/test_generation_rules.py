"""The generation rules fire and stay silent, and their data is sound."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from packaging.version import Version

from qvl_checks.attention.behaviour_facts import BehaviourFacts, CaseRun, LoopRun
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Tokenizer
from qvl_checks.generation.offset_defects import offset_defects
from qvl_checks.generation.own_decoding_loop import own_decoding_loop
from qvl_checks.generation.padding_side import padding_side
from qvl_checks.generation.prompts_raise import prompts_raise
from qvl_checks.generation.stale_rope_deltas import stale_rope_deltas
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

TARGET = TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)


def model(family: str = "qwen2_5_vl") -> ModelFacts:
    return ModelFacts(name=family, source="folder", model_type=family, class_name="C")


def files(**tokenizer: Any) -> CheckpointFilesFacts:
    return CheckpointFilesFacts(
        state="read", path="/data/c", tokenizer=Tokenizer(**{"state": "read", **tokenizer})
    )


@pytest.mark.parametrize(
    ("facts", "batch", "outcome"),
    [
        (files(padding_side="right"), 4, Outcome.FAIL),
        (files(), 4, Outcome.FAIL),
        (files(padding_side="left"), 4, Outcome.PASS),
        (files(padding_side="right"), 1, Outcome.PASS),
        (files(state="missing"), 4, Outcome.NOT_APPLICABLE),
        (files(state="invalid", reason="ValueError"), 4, Outcome.BLOCKED),
        (CheckpointFilesFacts(state="not-given"), 4, Outcome.NOT_APPLICABLE),
    ],
)
def test_padding_side(facts: CheckpointFilesFacts, batch: int, outcome: Outcome) -> None:
    assert padding_side.judge(facts, WorkloadFacts(batch=batch), model()).outcome is outcome


def test_padding_of_single_prompts_is_mentioned() -> None:
    found = padding_side.judge(files(padding_side="right"), WorkloadFacts(batch=1), model())
    assert 'padding_side="left"' in found.cause
    stranger = ModelFacts(name="llama", source="folder")
    other = padding_side.judge(files(padding_side="right"), WorkloadFacts(batch=4), stranger)
    assert other.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("version", "family", "outcome"),
    [
        ("4.46.3", "qwen2_vl", Outcome.PASS),
        ("4.47.0", "qwen2_vl", Outcome.FAIL),
        ("4.48.3", "qwen2_vl", Outcome.FAIL),
        ("4.49.0", "qwen2_vl", Outcome.PASS),
        ("5.1.0", "qwen3_vl", Outcome.PASS),
        ("5.2.0", "qwen3_vl", Outcome.FAIL),
        ("5.3.0.dev0", "qwen2_5_vl", Outcome.FAIL),
        ("5.4.0", "qwen2_5_vl", Outcome.PASS),
        ("5.23.0", "qwen2_5_vl", Outcome.PASS),
        ("5.2.0", "qwen3_5", Outcome.NOT_APPLICABLE),
    ],
)
def test_stale_offsets(version: str, family: str, outcome: Outcome) -> None:
    packages = PackagesFacts(installed={"transformers": version})
    assert stale_rope_deltas.judge(packages, model(family), TARGET).outcome is outcome


def test_calls_to_avoid_are_told_beside_a_pass() -> None:
    old = PackagesFacts(installed={"transformers": "4.57.1"})
    assert "new images" in stale_rope_deltas.judge(old, model(), TARGET).cause
    new = PackagesFacts(installed={"transformers": "5.23.0"})
    assert stale_rope_deltas.judge(new, model(), TARGET).cause == ""
    assert stale_rope_deltas.judge(PackagesFacts(), model(), TARGET).outcome is Outcome.BLOCKED


def test_the_fix_fits_the_release() -> None:
    def code(version: str) -> str:
        packages = PackagesFacts(installed={"transformers": version})
        return str(stale_rope_deltas.judge(packages, model("qwen2_vl"), TARGET).fixes[0].code)

    assert "model.model.rope_deltas" in code("5.2.0")
    assert "model.model." not in code("4.48.0")


def test_no_release_is_recommended_that_has_the_same_defect() -> None:
    for defect in offset_defects():
        assert not defect.concerns(Version(defect.fixed), defect.models[0])
        assert defect.evidence and all(url.startswith("https://") for url in defect.evidence)


# prompts that raise


ASKED = (
    CaseRun(name="text", path="generate", error=1e-6),
    CaseRun(name="image", path="generate", error=1e-6),
    CaseRun(name="video", path="generate", reason="StopIteration"),
)
BY_HAND = CaseRun(name="image, prefilled in two pieces", path="pieces", reason="RuntimeError: x")


def behaviour(**fields: Any) -> BehaviourFacts:
    return BehaviourFacts(**{"transformers": "5.3.0", "cases": ASKED, **fields})


@pytest.mark.parametrize(
    ("facts", "load", "outcome"),
    [
        (behaviour(), WorkloadFacts(), Outcome.FAIL),
        (behaviour(), WorkloadFacts(stated=True, videos=((420, 364, 8),)), Outcome.FAIL),
        (behaviour(), WorkloadFacts(stated=True, images=((640, 480),)), Outcome.PASS),
        (behaviour(cases=ASKED[:2]), WorkloadFacts(), Outcome.PASS),
        (behaviour(cases=(ASKED[0], BY_HAND)), WorkloadFacts(), Outcome.PASS),
        (behaviour(cases=()), WorkloadFacts(), Outcome.NOT_APPLICABLE),
        (BehaviourFacts(reason="another family"), WorkloadFacts(), Outcome.NOT_APPLICABLE),
    ],
)
def test_prompts_that_raise(facts: BehaviourFacts, load: WorkloadFacts, outcome: Outcome) -> None:
    found = prompts_raise.judge(facts, model(), load, TARGET)
    assert found.outcome is outcome
    if outcome is Outcome.FAIL:
        assert "StopIteration" in found.cause and "video" in found.title
        assert found.fixes[0].command and found.fixes[0].command[-1] == "transformers==5.23.0"
    elif BY_HAND in facts.cases:
        assert "two pieces" in found.cause
    elif any(case.reason for case in facts.cases):
        assert "raises on others: video" in found.cause


# a loop of one's own

CACHE_ALONE = LoopRun(error=0.48)
WITH_MASK = LoopRun(given=("attention_mask",), error=0.48)
COUNTED = LoopRun(given=("attention_mask", "cache_position"), error=3e-7)
RAISING = LoopRun(given=("attention_mask",), reason="RuntimeError: shapes")
SOUND = LoopRun(error=3e-7)
CALLING = WorkloadFacts(mode="forward")


def looped(*loops: LoopRun, load: WorkloadFacts = CALLING) -> Judgement:
    return own_decoding_loop.judge(behaviour(loops=loops), model(), load)


def test_a_loop_that_misplaces_its_tokens() -> None:
    found = looped(WITH_MASK, CACHE_ALONE, COUNTED)
    assert found.outcome is Outcome.FAIL
    assert "off by 0.5" in found.cause
    assert found.fixes[0].verified and "cache_position=" in (found.fixes[0].code or "")
    spared = looped(WITH_MASK, CACHE_ALONE, COUNTED, load=WorkloadFacts())
    assert spared.outcome is Outcome.PASS
    assert "generate() is not concerned" in spared.title and "off by" in spared.cause


def test_a_loop_that_raises_is_loud() -> None:
    found = looped(RAISING, SOUND)
    assert found.outcome is Outcome.PASS
    assert "RuntimeError" in found.cause
    assert "attention_mask" not in (found.fixes[0].code or "")


def test_loops_that_are_right_or_were_not_run() -> None:
    right = looped(SOUND, msgspec.structs.replace(WITH_MASK, error=1e-7))
    assert right.outcome is Outcome.PASS and not right.fixes
    assert looped().outcome is Outcome.NOT_APPLICABLE
    alone = looped(RAISING)
    assert alone.outcome is Outcome.PASS and "raises" in alone.title
    assert "generate()" in alone.fixes[0].summary
