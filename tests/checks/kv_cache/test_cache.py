"""The cache rules on facts made by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.kv_cache.behaviour_facts import CacheFacts, Layers, Step, Switch
from qvl_checks.kv_cache.cache_broken import cache_broken
from qvl_checks.kv_cache.cache_disabled import cache_disabled
from qvl_checks.kv_cache.cache_size import cache_size
from qvl_checks.kv_cache.speed_facts import CacheSpeedFacts
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Outcome
from qvl_doctor.judgement import Judgement

MODEL = ModelFacts(name="Qwen2.5-VL-7B", source="published", parameters=8 * 10**9)
GIB = 1024**3
RESTORE = "model.generation_config.use_cache = True\n"


def steps(*fed: int, lengths: tuple[int | None, ...] = ()) -> tuple[Step, ...]:
    lengths = lengths or tuple(range(30, 30 + len(fed)))
    return tuple(
        Step(fed=count, length=length, bytes=8192 * (length or 0), seconds=0.01)
        for count, length in zip(fed, lengths, strict=True)
    )


CACHED = steps(30, 1, 1, 1)
RECOMPUTED = steps(30, 31, 32, 33, lengths=(None,) * 4)


def facts(**changed: Any) -> CacheFacts:
    """Everything in order; fields by keyword."""
    sound = CacheFacts(
        transformers="5.23.0",
        settings={"config.json: use_cache": True},
        prompt_tokens=30,
        default=CACHED,
        default_effect="cached",
        forward_keeps_cache=True,
        cached=CACHED,
        tolerance=1e-3,
        logits_error=6e-7,
        padded_error=7e-7,
        switches=(
            Switch(name="generate(use_cache=False)", effect="recomputed", fed=(30, 31, 32)),
            Switch(name="model.train()", effect="cached", fed=(30, 1, 1)),
        ),
        restore=RESTORE,
        restored_effect="cached",
        measured_bytes_per_token=8192.0,
        formula_bytes_per_token=8192,
        model_bytes_per_token=57344,
        model_bytes_per_layer=2048,
        model_positions=128000,
        model_layers=Layers(layers=28, full_attention_layers=28, kv_heads=4, head_dim=128),
        dtype="bfloat16",
    )
    return msgspec.structs.replace(sound, **changed)


def size(cache: CacheFacts, nvml: NvmlFacts | None = None, **workload: Any) -> Judgement:
    return cache_size.judge(
        cache=cache, model=MODEL, workload=WorkloadFacts(**workload), nvml=nvml, files=None
    )


def cards(*free_gib: float, total: float = 80) -> NvmlFacts:
    """Cards of 80 GiB with so much free."""
    devices = tuple(
        Gpu(index=index, total_bytes=int(total * GIB), free_bytes=int(free * GIB))
        for index, free in enumerate(free_gib)
    )
    return NvmlFacts(available=True, devices=devices)


def test_a_cache_in_use_passes_with_the_proof() -> None:
    judgement = cache_disabled.judge(cache=facts(), speed=None)
    assert judgement.outcome is Outcome.PASS
    assert judgement.confidence is Confidence.MEASURED
    assert judgement.evidence["tokens_per_step"] == [30, 1, 1, 1]
    assert judgement.evidence["what_turns_it_off_here"]["generate(use_cache=False)"] == {
        "generate": "recomputed",
        "forward_keeps_cache": None,
    }
    assert [series.name for series in judgement.charts[0].series] == [
        "these settings",
        "generate(use_cache=False)",
    ]


@pytest.mark.parametrize("value", [False, None])
@pytest.mark.parametrize(
    "where", ["config.json: text_config.use_cache", "generation_config.json: use_cache"]
)
def test_whoever_turned_it_off_is_named(where: str, value: bool | None) -> None:
    judgement = cache_disabled.judge(
        speed=None,
        cache=facts(
            settings={"config.json: use_cache": True, where: value},
            default=RECOMPUTED,
            default_effect="recomputed",
        ),
    )
    assert judgement.outcome is Outcome.FAIL
    assert f"{where} is {value!r}" in judgement.cause
    assert "config.json: use_cache is" not in judgement.cause.replace(where, "")
    assert "30, 31, 32, 33" in judgement.cause
    restore, files = judgement.fixes
    assert restore.code == RESTORE and restore.verified
    assert where.partition(":")[0] in (files.advice or "")


def test_code_that_was_not_seen_to_restore_the_cache_is_not_called_verified() -> None:
    judgement = cache_disabled.judge(
        speed=None,
        cache=facts(default=RECOMPUTED, default_effect="recomputed", restored_effect="recomputed"),
    )
    assert not judgement.fixes[0].verified
    assert "No setting of the checkpoint" in judgement.cause


def test_a_plain_forward_without_a_cache_fails() -> None:
    judgement = cache_disabled.judge(
        speed=None,
        cache=facts(settings={"config.json: use_cache": False}, forward_keeps_cache=False),
    )
    assert judgement.outcome is Outcome.FAIL
    assert "plain forward" in judgement.title


def test_agreement_passes() -> None:
    assert cache_broken.judge(cache=facts()).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"logits_error": 0.4}, "fresh ones by 4.0e-01"),
        ({"logits_error": None}, "not finite"),
        ({"padded_error": 0.0654}, "left padding"),
        ({"padded_error": None, "padded_reason": "RuntimeError: size"}, "raises RuntimeError"),
        ({"cached": (), "cached_reason": "IndexError: mask"}, "raises IndexError"),
        ({"cached": steps(30, 1, 1, lengths=(30, 31, 33))}, "[30, 31, 33]"),
        ({"cached": steps(30, 1, 1, lengths=(60, 61, 62))}, "expected [30, 31, 32]"),
    ],
)
def test_disagreement_fails(changed: dict[str, Any], word: str) -> None:
    judgement = cache_broken.judge(cache=facts(**changed))
    assert judgement.outcome is Outcome.FAIL
    assert word in judgement.cause


def test_padding_counts_where_the_load_may_have_it() -> None:
    padded = facts(padded_error=0.0654)
    alone = WorkloadFacts(stated=True, images=((640, 480),))
    spared = cache_broken.judge(cache=padded, workload=alone)
    assert spared.outcome is Outcome.PASS and "6.5e-02" in spared.cause
    for load in (WorkloadFacts(), msgspec.structs.replace(alone, batch=2)):
        assert cache_broken.judge(cache=padded, workload=load).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("effect", "reason", "word"),
    [("wrong", "", "other logits"), ("raised", "IndexError: x", "raise")],
)
def test_a_half_obeyed_setting_is_wrong_answers_not_slowness(
    effect: str, reason: str, word: str
) -> None:
    broken = facts(
        settings={"generation_config.json: use_cache": None},
        default=steps(30, 31, 32, 33),
        default_effect=effect,
        default_reason=reason,
    )
    judgement = cache_broken.judge(cache=broken)
    assert judgement.outcome is Outcome.FAIL
    assert word in judgement.title
    assert judgement.fixes[0].verified
    other = cache_disabled.judge(cache=broken, speed=None)
    assert other.outcome is Outcome.BLOCKED
    assert "kv-cache.cache-broken" in other.cause


def test_training_mode_that_loses_the_cache_is_pointed_out() -> None:
    lost = Switch(name="model.train() with gradient checkpointing", effect="wrong", fed=(30, 1, 1))
    judgement = cache_broken.judge(cache=facts(switches=(lost,)))
    assert judgement.outcome is Outcome.PASS
    assert lost.name in judgement.cause
    assert "model.eval()" in (judgement.fixes[0].advice or "")


def test_the_cache_is_shown_to_save_time() -> None:
    speed = CacheSpeedFacts(
        with_cache_s=0.1, without_cache_s=0.73, prompt_tokens=256, new_tokens=8, same_tokens=True
    )
    judgement = cache_disabled.judge(cache=facts(), speed=speed)
    assert "took 7.3 times as long for 8 tokens after a prompt of 256" in judgement.cause
    assert judgement.evidence["speed"]["times_slower_without"] == 7.3
    silent = cache_disabled.judge(cache=facts(), speed=CacheSpeedFacts(reason="unknown family"))
    assert silent.evidence["speed"] is None


def test_the_size_is_told_for_the_model_and_the_batch() -> None:
    judgement = size(facts(), batch=2)
    assert judgement.outcome is Outcome.PASS
    assert "56 KiB" in judgement.title
    assert judgement.evidence["gib_for_32768_tokens"] == 3.5


def test_layers_that_do_not_grow_are_mentioned() -> None:
    hybrid = Layers(layers=32, full_attention_layers=8, kv_heads=4, head_dim=256)
    assert "Only 8 of 32 layers" in size(facts(model_layers=hybrid)).cause


def test_the_state_of_linear_layers_is_told_too() -> None:
    hybrid = Layers(layers=32, full_attention_layers=8, kv_heads=4, head_dim=256)
    found = size(facts(model_layers=hybrid, model_fixed_bytes=51904512))
    assert "The other 24 keep 49.5 MiB per sequence" in found.cause


def test_the_context_that_the_free_memory_holds() -> None:
    found = size(facts(), cards(40.0, 80.0))
    # 40 GiB less 16e9 bytes of weights and 1 GiB, at 57344 bytes a token.
    tokens = int(39 * GIB - 16 * 10**9) // 57344
    assert f"room for {tokens} tokens, more than the 128000 positions" in found.cause
    assert "(others hold 40.0 GiB)" in found.cause
    assert found.evidence["free_memory"]["tokens"] == tokens
    both = size(facts(), cards(40.0, 80.0), device_map="auto", batch=4)
    tokens = int(118 * GIB - 16 * 10**9) // 4 // 57344
    assert f"room for {tokens} tokens for each of 4 sequences" in both.cause


def test_a_cap_counts_as_the_card() -> None:
    found = size(facts(), cards(80.0), cap_bytes=24 * GIB)
    assert f"room for {(23 * GIB - 16 * 10**9) // 57344} tokens" in found.cause


def test_weights_that_leave_no_room() -> None:
    assert "leave no room" in size(facts(), cards(12.0)).cause


def test_without_a_card_no_room_is_told() -> None:
    found = size(facts(), NvmlFacts(available=False))
    assert found.evidence["free_memory"] is None
    assert "room for" not in found.cause


@pytest.mark.parametrize(("kept", "stops"), [(3, True), (17, False), (None, False)])
def test_layers_with_a_window(kept: int | None, stops: bool) -> None:
    half = Layers(
        layers=28,
        full_attention_layers=14,
        sliding_layers=14,
        window=1000,
        kv_heads=4,
        head_dim=128,
    )
    found = size(facts(model_layers=half, window_tokens=kept), cards(40.0))
    left = 39 * GIB - 16 * 10**9
    capped = (left - 14 * 2048 * 1000) // (14 * 2048)
    tokens = capped if stops else left // 57344
    assert f"room for {tokens} tokens" in found.cause
    assert ("keep no more than those" in found.cause) is stops


def test_a_cache_that_grows_otherwise_than_the_formula_fails() -> None:
    judgement = size(facts(measured_bytes_per_token=16384.0))
    assert judgement.outcome is Outcome.FAIL
    assert "2.00 times" in judgement.title
    assert "112.0 KiB" in (judgement.fixes[0].advice or "")


@pytest.mark.parametrize(
    "unknown",
    [
        CacheFacts(reason="unknown family"),
        facts(default=(), cached=(), measured_bytes_per_token=None),
        facts(
            default=tuple(Step(fed=None) for _ in range(4)),
            cached=tuple(Step(fed=None) for _ in range(4)),
            measured_bytes_per_token=None,
        ),
    ],
)
def test_what_was_not_seen_never_passes(unknown: CacheFacts) -> None:
    assert cache_disabled.judge(cache=unknown, speed=None).outcome is Outcome.INCONCLUSIVE
    assert cache_broken.judge(cache=unknown).outcome is Outcome.INCONCLUSIVE
    assert size(unknown).outcome is Outcome.INCONCLUSIVE
