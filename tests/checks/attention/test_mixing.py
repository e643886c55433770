"""Attention per tower: what the rule makes of it, and the probe, run for real."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.attention.implementation_keys_ignored import implementation_keys_ignored
from qvl_checks.attention.mixing_facts import MIXING, MixingFacts, Mixture
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts, ProbeStatus, TargetFacts
from qvl_doctor.findings import Outcome

MODEL = ModelFacts(name="x", source="tiny", model_type="qwen2_5_vl", family="Qwen2.5-VL")

AS_IN_4_51 = '''
from qvl_checks.attention import mixing_probe


def any_dictionary_means_eager(request):
    """Up to 4.51 the language model takes a dictionary for anything but sdpa."""
    original = mixing_probe.make_model

    def make_model(config, *, dtype, attention=None):
        model = original(config, dtype=dtype, attention=attention)
        if isinstance(attention, dict):
            model.set_attn_implementation({"text_config": "eager"})
        return model

    mixing_probe.make_model = make_model
    try:
        return mixing_probe.run(request)
    finally:
        mixing_probe.make_model = original
'''


def row(wish: dict[str, str], text: str, vision: str, road: str = "load") -> Mixture:
    return Mixture(road=road, wish=wish, text=text, vision=vision)


OBEYED = (
    row({"text_config": "eager"}, "eager", "sdpa"),
    row({"vision_config": "eager"}, "sdpa", "eager"),
    row({"visual": "eager"}, "sdpa", "sdpa"),
    row({"text_config": "sdpa", "vision_config": "sdpa"}, "sdpa", "sdpa"),
)


def facts(*rows: Mixture, **changes: Any) -> MixingFacts:
    fields: dict[str, Any] = {
        "transformers": "4.99.0",
        "default_text": "sdpa",
        "default_vision": "sdpa",
        "rows": rows,
    }
    return MixingFacts(**{**fields, **changes})


def judge(found: MixingFacts, target: TargetFacts) -> Any:
    return implementation_keys_ignored.judge(found, MODEL, target)


def test_keys_that_do_nothing_are_told_beside_the_verdict(target: TargetFacts) -> None:
    judgement = judge(facts(*OBEYED), target)
    assert judgement.outcome is Outcome.PASS
    assert "'visual'" in judgement.cause and "text_config'" not in judgement.cause


@pytest.mark.parametrize(
    "wrong",
    [
        row({"text_config": "sdpa", "vision_config": "sdpa"}, "eager", "sdpa"),
        row({"vision_config": "eager"}, "eager", "eager"),
        row({"text_config": "eager"}, "sdpa", "sdpa"),
        row({"vision_config": "eager"}, "sdpa", "sdpa", road="set"),
    ],
)
def test_a_tower_that_runs_something_else(wrong: Mixture, target: TargetFacts) -> None:
    judgement = judge(facts(*OBEYED, wrong), target)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.fixes[1].command[-1] == "transformers==4.57.1"


def test_what_cannot_be_told(target: TargetFacts) -> None:
    unknown = MixingFacts(reason="the model is not of a family whose architecture is known here")
    assert judge(unknown, target).outcome is Outcome.NOT_APPLICABLE
    raised = Mixture(road="load", wish={"text_config": "eager"}, reason="ValueError")
    assert judge(facts(raised), target).outcome is Outcome.BLOCKED
    eager = facts(*OBEYED, default_text="eager")
    assert judge(eager, target).outcome is Outcome.NOT_APPLICABLE


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With the behaviour of an old release."""
    shared_agent.plant("mixing", AS_IN_4_51)
    return shared_agent


def mixing(client: SharedAgent, model: str, entry: str = MIXING.entry) -> MixingFacts:
    request = {"model": msgspec.to_builtins(resolve(model))}
    record = client.run(entry, request, 200)
    assert record.status is ProbeStatus.OK, record.reason
    return msgspec.convert(record.data, MixingFacts)


@pytest.mark.parametrize("model", ["Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_the_reference_stack_obeys_the_documented_keys_only(
    client: SharedAgent, model: str, target: TargetFacts
) -> None:
    found = mixing(client, model)
    assert found.can_set and {entry.road for entry in found.rows} == {"load", "set"}
    assert not [entry.reason for entry in found.rows if entry.reason]
    towers = {(entry.road, *entry.wish): (entry.text, entry.vision) for entry in found.rows}
    for road in ("load", "set"):
        assert towers[road, "text_config"] == ("eager", "sdpa")
        assert towers[road, "vision_config"] == ("sdpa", "eager")
        assert towers[road, "visual"] == towers[road, "language_model"] == ("sdpa", "sdpa")
    assert judge(found, target).outcome is Outcome.PASS


def test_a_dictionary_that_makes_the_language_model_eager_is_seen(
    client: SharedAgent, target: TargetFacts
) -> None:
    found = mixing(client, "Qwen2.5-VL-7B", "planted.mixing:any_dictionary_means_eager")
    judgement = judge(found, target)
    assert judgement.outcome is Outcome.FAIL
    assert "the text tower, asked for sdpa by text_config, runs eager" in judgement.cause
    assert "the text tower leaves sdpa when only 'vision_config'" in judgement.cause
