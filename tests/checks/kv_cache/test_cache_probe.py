"""The cache probe, run for real in the target of the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.kv_cache.behaviour_facts import CACHE, CacheFacts
from qvl_checks.kv_cache.cache_broken import cache_broken
from qvl_checks.kv_cache.cache_disabled import cache_disabled
from qvl_checks.kv_cache.cache_size import cache_size
from qvl_checks.kv_cache.speed_facts import CACHE_SPEED, CacheSpeedFacts
from qvl_checks.models.catalogue import published_config, resolve
from qvl_doctor.facts import ModelFacts, ProbeStatus, WorkloadFacts
from qvl_doctor.findings import Outcome

PUBLISHED_BYTES = {
    "Qwen2-VL-2B": 28672,
    "Qwen2-VL-7B": 57344,
    "Qwen2-VL-72B": 327680,
    "Qwen2.5-VL-3B": 36864,
    "Qwen2.5-VL-7B": 57344,
    "Qwen2.5-VL-32B": 262144,
    "Qwen2.5-VL-72B": 327680,
    "Qwen3-VL-2B": 114688,
    "Qwen3-VL-4B": 147456,
    "Qwen3-VL-8B": 147456,
    "Qwen3-VL-32B": 262144,
    "Qwen3-VL-30B-A3B": 98304,
    "Qwen3-VL-235B-A22B": 192512,
    "Qwen3.5-0.8B": 12288,
    "Qwen3.5-9B": 32768,
    "Qwen3.5-27B": 65536,
    "Qwen3.5-35B-A3B": 20480,
}
"""Bytes per token in bfloat16, computed by hand from the published configurations."""

FAULTS = '''
from qvl_checks.kv_cache import behaviour_probe, cache_bytes


def formulas(request):
    from qvl_checks.models.build import make_config

    configs = request["configs"]
    return {name: cache_bytes.formula(make_config(configs[name]), 2) for name in configs}


def with_update(change):
    from transformers.cache_utils import DynamicCache

    original = DynamicCache.update

    def update(self, key, value, *arguments, **keywords):
        return change(original, self, key, value, *arguments, **keywords)

    DynamicCache.update = update


def forgetful(request):
    """The second and later tokens see a damaged past."""

    def change(original, cache, key, value, *arguments, **keywords):
        keys, values = original(cache, key, value, *arguments, **keywords)
        if key.shape[-2] == 1:
            values = values.clone()
            values[..., :-1, :] *= 0.5
        return keys, values

    with_update(change)
    return behaviour_probe.run(request)


def doubling(request):
    """Every entry is stored twice."""

    def change(original, cache, key, value, *arguments, **keywords):
        original(cache, key, value, *arguments, **keywords)
        return original(cache, key, value, *arguments, **keywords)

    with_update(change)
    return behaviour_probe.run(request)
'''


@pytest.fixture(scope="module")
def client(shared_agent: SharedAgent) -> SharedAgent:
    """With faulty caches."""
    shared_agent.plant("caches", FAULTS)
    return shared_agent


def facts(client: SharedAgent, model: ModelFacts | None, entry: str = CACHE.entry) -> CacheFacts:
    assert model is not None
    request = {
        "level": "quick",
        "model": msgspec.to_builtins(model),
        "workload": msgspec.to_builtins(WorkloadFacts()),
    }
    record = client.run(entry, request, CACHE.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    return msgspec.convert(record.data, CacheFacts)


def folder(path: Path, config: dict[str, Any], generation: str | None = None) -> ModelFacts:
    full = {**published_config("Qwen2.5-VL-7B"), **config}
    (path / "config.json").write_text(json.dumps(full))
    if generation is not None:
        (path / "generation_config.json").write_text(generation)
    model = resolve(str(path))
    assert model is not None
    return model


@pytest.mark.parametrize(
    "model", ["Qwen2-VL-2B", "Qwen2.5-VL-7B", "Qwen3-VL-8B", "Qwen3-VL-30B-A3B", "Qwen3.5-9B"]
)
def test_every_family_keeps_a_sound_cache(client: SharedAgent, model: str) -> None:
    found = facts(client, resolve(model))
    assert [step.fed for step in found.default] == [found.prompt_tokens, 1, 1, 1]
    assert [step.length for step in found.cached] == [found.prompt_tokens + i for i in range(4)]
    assert found.logits_error is not None and found.logits_error < 1e-4
    assert found.padded_error is not None and found.padded_error < 1e-4
    assert found.measured_bytes_per_token == found.formula_bytes_per_token
    assert found.model_bytes_per_token == PUBLISHED_BYTES[model]
    assert found.restored_effect == "cached"
    assert cache_disabled.judge(cache=found, speed=None).outcome is Outcome.PASS
    assert cache_broken.judge(cache=found).outcome is Outcome.PASS


def test_the_formula_gives_the_published_sizes(client: SharedAgent) -> None:
    configs = {name: published_config(name) for name in PUBLISHED_BYTES}
    record = client.run("planted.caches:formulas", {"configs": configs}, 60.0)
    assert record.data == PUBLISHED_BYTES


def test_the_cache_saves_time(client: SharedAgent) -> None:
    request = {
        "level": "standard",
        "model": msgspec.to_builtins(resolve("Qwen2.5-VL-7B")),
        "workload": msgspec.to_builtins(WorkloadFacts()),
    }
    record = client.run(CACHE_SPEED.entry, request, CACHE_SPEED.budget_s)
    assert record.status is ProbeStatus.OK, f"{record.reason}\n{record.output}"
    speed = msgspec.convert(record.data, CacheSpeedFacts)
    assert speed.small and speed.same_tokens
    # Eight passes over 256 tokens and more, against one and seven over one.
    assert speed.ratio is not None and speed.ratio > 1.5


def test_who_can_turn_it_off_is_measured(client: SharedAgent) -> None:
    switches = {switch.name: switch for switch in facts(client, resolve("Qwen2.5-VL-7B")).switches}
    call = switches["generate(use_cache=False)"]
    assert call.effect == "recomputed"
    assert call.fed[1] == (call.fed[0] or 0) + 1
    assert switches["generation_config.use_cache = False"].effect == "recomputed"
    assert switches["config.use_cache = False"].forward_keeps_cache is False
    assert switches["model.train()"].effect == "cached"
    # Each step gets one token and no past: not slow, but wrong.
    assert switches["model.train() with gradient checkpointing"].effect == "wrong"


@pytest.mark.parametrize(
    ("config", "generation", "culprit"),
    [
        ({"use_cache": False}, None, "config.json: use_cache is False"),
        ({}, '{"use_cache": false}', "generation_config.json: use_cache is False"),
    ],
)
def test_a_saved_setting_that_turns_it_off_is_found_and_named(
    client: SharedAgent,
    tmp_path: Path,
    config: dict[str, Any],
    generation: str | None,
    culprit: str,
) -> None:
    found = facts(client, folder(tmp_path, config, generation))
    judgement = cache_disabled.judge(cache=found, speed=None)
    assert judgement.outcome is Outcome.FAIL
    assert culprit in judgement.cause
    # The cache itself is in order, once it is on.
    assert cache_broken.judge(cache=found).outcome is Outcome.PASS


def test_null_is_refused_or_turns_it_off(client: SharedAgent, tmp_path: Path) -> None:
    model = folder(tmp_path, {"use_cache": None})
    found = facts(client, model)
    judgement = cache_disabled.judge(cache=found, speed=None)
    assert judgement.outcome is Outcome.FAIL
    # The reference release checks the types of its configuration.
    assert "bool" in found.refused
    assert "refuses config.json: use_cache is None" in judgement.title
    assert cache_broken.judge(cache=found).outcome is Outcome.BLOCKED
    size = cache_size.judge(
        cache=found, model=model, workload=WorkloadFacts(), nvml=None, files=None
    )
    assert size.outcome is Outcome.BLOCKED


def test_a_generation_file_that_is_silent_leaves_generate_cached(
    client: SharedAgent, tmp_path: Path
) -> None:
    found = facts(client, folder(tmp_path, {"use_cache": False}, '{"do_sample": false}'))
    assert found.default_effect == "cached"
    assert not found.forward_keeps_cache


@pytest.mark.parametrize("content", ["{", "[1]", "\x00", "[" * 100_000])
def test_a_damaged_generation_file_is_recorded_and_does_not_stop_the_probe(
    client: SharedAgent, tmp_path: Path, content: str
) -> None:
    found = facts(client, folder(tmp_path, {}, content))
    assert "not readable" in found.settings["generation_config.json"]
    assert found.default_effect == "cached"


def test_a_cache_that_damages_the_past_is_caught(client: SharedAgent) -> None:
    found = facts(client, resolve("Qwen2.5-VL-7B"), "planted.caches:forgetful")
    assert found.logits_error is not None and found.logits_error > found.tolerance
    assert cache_broken.judge(cache=found).outcome is Outcome.FAIL


def test_a_cache_that_stores_twice_is_caught(client: SharedAgent) -> None:
    found = facts(client, resolve("Qwen2.5-VL-7B"), "planted.caches:doubling")
    assert found.measured_bytes_per_token == 2 * found.formula_bytes_per_token
    assert cache_broken.judge(cache=found).outcome is Outcome.FAIL
    model = resolve("Qwen2.5-VL-7B")
    size = cache_size.judge(
        cache=found, model=model, workload=WorkloadFacts(), nvml=None, files=None
    )
    assert size.outcome is Outcome.FAIL


def test_which_layers_keep_a_cache(client: SharedAgent) -> None:
    rows = facts(client, resolve("Qwen3.5-9B")).layers
    kinds = [row.kind for row in rows]
    assert kinds == ["linear_attention"] * 3 + ["full_attention"]
    assert [row.growth_per_token for row in rows] == [0.0, 0.0, 0.0, 4096.0]
    assert [row.tokens is None for row in rows] == [True, True, True, False]
    dense = facts(client, resolve("Qwen2.5-VL-7B")).layers
    assert {(row.kind, row.growth_per_token) for row in dense} == {("full_attention", 2048.0)}


def test_the_state_of_linear_layers_is_what_its_formula_says(client: SharedAgent) -> None:
    found = facts(client, resolve("Qwen3.5-9B"))
    kept = sum(row.bytes_after_prompt for row in found.layers if row.kind == "linear_attention")
    assert kept == found.formula_fixed_bytes > 0


def test_a_window_is_counted_and_watched(client: SharedAgent, tmp_path: Path) -> None:
    window = {"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 14}
    found = facts(client, folder(tmp_path, window))
    assert found.model_layers.sliding_layers == 14
    assert found.model_layers.window == 4096
    assert found.model_bytes_per_token == PUBLISHED_BYTES["Qwen2.5-VL-7B"]
    # The reference release drops what the layer cannot see any more.
    assert found.window_tokens is not None and found.window_tokens <= 4


def test_an_unknown_family_is_said_to_be_unknown(client: SharedAgent) -> None:
    record = client.run(CACHE.entry, {"model": {"model_type": "other"}}, 30.0)
    assert "not of a family" in record.data["reason"]
