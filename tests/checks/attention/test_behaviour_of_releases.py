"""What eighteen releases of transformers were recorded to do, judged by the rules of today."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.attention.behaviour_cases import NEEDS
from qvl_checks.attention.behaviour_cases import cases as asked
from qvl_checks.attention.behaviour_facts import BEHAVIOUR, BehaviourFacts
from qvl_checks.attention.forward_differs_from_reference import forward_differs_from_reference
from qvl_checks.attention.padding_changes_answers import padding_changes_answers
from qvl_checks.attention.reference.prompts import family_of
from qvl_checks.attention.sliding_window_mask_wrong import sliding_window_mask_wrong
from qvl_checks.attention.vision_sdpa_precision import vision_sdpa_precision
from qvl_checks.generation.prompts_raise import prompts_raise
from qvl_checks.generation.stale_rope_deltas import stale_rope_deltas
from qvl_checks.models.catalogue import resolve
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.wrong_position_ids import wrong_position_ids
from qvl_doctor.facts import ModelFacts, ProbeStatus, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
RECORDS = sorted((HERE / "behaviour").glob("*.json"))
EXPECTED = tomllib.loads((HERE / "behaviour" / "expected.toml").read_text(encoding="utf-8"))
NOT_STATED = WorkloadFacts()
UNNAMED = {
    ("4.47.1", "Qwen2-VL-7B", "beams"),
    ("4.48.3", "Qwen2-VL-7B", "beams"),
    ("5.4.0", "Qwen3.5-9B", "pieces"),
}
"""Mistakes that only one release makes: the pictures of a batch are mixed up between beams; linear
attention forgets the first piece of a prompt."""
RULES = (
    "versions.wrong-position-ids",
    "generation.stale-rope-deltas",
    "attention.padding-changes-answers",
    "attention.sliding-window-mask-wrong",
    "attention.forward-differs-from-reference",
    "attention.vision-sdpa-precision",
    "generation.prompts-raise",
)


def judged(
    facts: BehaviourFacts,
    model: ModelFacts,
    target: TargetFacts,
    workload: WorkloadFacts = NOT_STATED,
) -> dict[str, Judgement]:
    packages = PackagesFacts(installed={"transformers": facts.transformers})
    found = (
        wrong_position_ids.judge(packages, model, workload, target, facts),
        stale_rope_deltas.judge(packages, model, target, facts),
        padding_changes_answers.judge(facts, model, workload),
        sliding_window_mask_wrong.judge(facts, model, workload, target),
        forward_differs_from_reference.judge(facts, model, workload),
        vision_sdpa_precision.judge(packages, model, workload, target, None, facts),
        prompts_raise.judge(facts, model, workload, target),
    )
    return {RULES[index]: judgement for index, judgement in enumerate(found)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Qwen2-VL-7B", "Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_the_target_of_the_tests_does_what_its_release_was_recorded_to_do(
    name: str, target: TargetFacts, shared_agent: SharedAgent
) -> None:
    model = resolve(name)
    assert model is not None
    record = shared_agent.run(BEHAVIOUR.entry, {"model": msgspec.to_builtins(model)}, 240)
    assert record.status is ProbeStatus.OK, record.reason
    facts = msgspec.convert(record.data, BehaviourFacts)
    expected = EXPECTED[facts.transformers][name]
    verdicts = judged(facts, model, target)
    failing = {rule for rule in RULES if verdicts[rule].outcome is Outcome.FAIL}
    assert failing == set(expected.get("fails", ()))


def cases() -> list[Any]:
    found = []
    for path in RECORDS:
        for name, data in json.loads(path.read_text(encoding="utf-8")).items():
            facts = msgspec.convert(data, BehaviourFacts)
            found.append(pytest.param(path.stem, name, facts, id=f"{path.stem}-{name}"))
    return found


def test_every_record_is_expected() -> None:
    assert {path.stem for path in RECORDS} == set(EXPECTED)
    assert len(RECORDS) > 15


@pytest.mark.parametrize(("release", "name", "facts"), cases())
def test_a_defect_is_found_where_it_exists_and_nowhere_else(
    release: str, name: str, facts: BehaviourFacts, target: TargetFacts
) -> None:
    assert facts.transformers == release
    model = resolve(name)
    assert model is not None
    verdicts = judged(facts, model, target)
    expected = EXPECTED[release][name]
    failing = {rule for rule in RULES if verdicts[rule].outcome is Outcome.FAIL}
    assert failing == set(expected.get("fails", ()))
    misplaced = {case.name for case in facts.cases if case.positions() and not case.after_another}
    assert misplaced == set(expected.get("misplaced", ()))
    raising = {case.name for case in facts.cases if case.reason}
    assert raising == set(expected.get("raises", ()))


def of(release: str, name: str) -> BehaviourFacts:
    data = json.loads((HERE / "behaviour" / f"{release}.json").read_text(encoding="utf-8"))
    return msgspec.convert(data[name], BehaviourFacts)


PICTURE = WorkloadFacts(stated=True, images=((1024, 768),))
PICTURES = msgspec.structs.replace(PICTURE, batch=4)
FILM = WorkloadFacts(stated=True, videos=((420, 364, 20),))
CLIP = WorkloadFacts(stated=True, videos=((420, 364, 8),))
LONG = WorkloadFacts(stated=True, images=((1024, 768),), text_tokens=40_000)
POSITIONS, PADDING, WINDOW = RULES[0], RULES[2], RULES[3]


@pytest.mark.parametrize(
    ("release", "name", "workload", "met"),
    [
        ("4.49.0", "Qwen2.5-VL-7B", PICTURE, set()),
        ("4.49.0", "Qwen2.5-VL-7B", LONG, {WINDOW}),
        ("4.55.4", "Qwen2.5-VL-7B", PICTURE, set()),
        ("4.55.4", "Qwen2.5-VL-7B", PICTURES, {POSITIONS, PADDING}),
        ("4.55.4", "Qwen2.5-VL-7B", CLIP, {POSITIONS}),
        ("4.55.4", "Qwen2-VL-7B", CLIP, set()),
        ("5.4.0", "Qwen2.5-VL-7B", PICTURE, {POSITIONS}),
        ("5.4.0", "Qwen2-VL-7B", PICTURE, set()),
        ("5.4.0", "Qwen2-VL-7B", CLIP, {POSITIONS}),
        ("5.23.0", "Qwen2.5-VL-7B", PICTURES, set()),
        ("5.23.0", "Qwen2.5-VL-7B", CLIP, set()),
        ("5.23.0", "Qwen2.5-VL-7B", FILM, {POSITIONS}),
    ],
)
def test_a_defect_counts_where_the_stated_load_meets_it(
    release: str, name: str, workload: WorkloadFacts, met: set[str], target: TargetFacts
) -> None:
    model = resolve(name)
    assert model is not None
    verdicts = judged(of(release, name), model, target, workload)
    conditional = (POSITIONS, PADDING, WINDOW)
    failing = {rule for rule in conditional if verdicts[rule].outcome is Outcome.FAIL}
    assert failing == met
    unstated = judged(of(release, name), model, target)
    for rule in conditional:
        if unstated[rule].outcome is Outcome.FAIL and rule not in met:
            assert verdicts[rule].outcome is Outcome.PASS
            assert "this release" in verdicts[rule].cause.lower(), "what is wrong is still said"


def test_a_load_whose_prompts_all_raise_is_not_passed(target: TargetFacts) -> None:
    model = resolve("Qwen2-VL-7B")
    assert model is not None
    verdicts = judged(of("4.54.1", "Qwen2-VL-7B"), model, target, CLIP)
    assert verdicts[POSITIONS].outcome is Outcome.BLOCKED


@pytest.mark.parametrize("name", ["Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_every_run_of_the_small_model_says_what_a_load_needs_to_meet_it(name: str) -> None:
    model = resolve(name)
    assert model is not None
    assert {case.name for case in asked(family_of(model.tiny_config))} <= set(NEEDS)


@pytest.mark.parametrize(("release", "name", "facts"), cases())
def test_every_wrong_answer_of_a_release_is_explained(
    release: str, name: str, facts: BehaviourFacts
) -> None:
    for case in (*facts.cases, *facts.windows):
        for row in case.differences:
            if row.what == "logits" and (release, name, case.path) not in UNNAMED:
                assert row.cause, f"{case.name}, {case.path}"
    assert all((run.error or 1.0) < 1e-4 for run in facts.vision)
