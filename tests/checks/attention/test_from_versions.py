"""Attention rules that are judged from releases, cards and configs."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.attention.flash_attention_3_slow_vision import flash_attention_3_slow_vision
from qvl_checks.attention.gqa_math_fallback import FIX, gqa_math_fallback
from qvl_checks.attention.linear_attention_fallback import linear_attention_fallback
from qvl_checks.attention.mixed_attention_implementations import mixed_attention_implementations
from qvl_checks.attention.selection_facts import Selection, SelectionFacts
from qvl_checks.attention.sliding_window_ignored_config import sliding_window_ignored_config
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Settings
from qvl_checks.devices.kernel_speed_facts import KernelRatio, KernelSpeedFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.models.catalogue import resolve
from qvl_checks.versions.packages_facts import ModuleLocation, PackagesFacts
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

TARGET = TargetFacts(python="/home/user/venv/bin/python", chosen_because="test", has_pip=True)
NO_GPU = TorchFacts(version="2.13.0+cpu", device_count=0)


def model(name: str = "Qwen2.5-VL-7B", **config: Any) -> ModelFacts:
    found = resolve(name)
    assert found is not None
    found.config = {**found.config, **config}
    return found


def packages(release: str | None = None, *modules: str) -> PackagesFacts:
    return PackagesFacts(
        installed={"transformers": release} if release else {},
        modules={name: ModuleLocation(file=f"/x/{name}/__init__.py") for name in modules},
    )


def card(*capability: int) -> TorchFacts:
    device = TorchDevice(index=0, name="card", capability=(capability[0], capability[1]))
    return TorchFacts(version="2.13.0", device_count=1, devices=(device,))


def selected(wish: str | None, text: str | None, vision: str | None) -> SelectionFacts:
    parts = {"": text, "text_config": text, "vision_config": vision}
    return SelectionFacts(rows=(Selection(wish=wish, selected=parts),))


# sliding-window-ignored-config


def window(
    release: str | None, load: WorkloadFacts, which: ModelFacts | None = None, files: Any = None
) -> Judgement:
    return sliding_window_ignored_config.judge(
        which or model(), load, packages(release), TARGET, files
    )


LONG = WorkloadFacts(text_tokens=40_000)


@pytest.mark.parametrize("release", ["4.46.0", "4.49.0", "4.51.3"])
def test_a_prompt_longer_than_the_window_is_cut(release: str) -> None:
    judgement = window(release, LONG)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title.startswith("7234 of 40002 tokens")


def test_images_count() -> None:
    three = WorkloadFacts(images=((3584, 3584),) * 3)
    assert window("4.49.0", three).outcome is Outcome.FAIL
    limit = {"preprocessor_config.json": Settings(state="read", value={"max_pixels": 784_000})}
    files = CheckpointFilesFacts(state="read", settings=limit)
    judgement = window("4.49.0", three, files=files)
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["tokens"] < 3100


def test_a_config_that_lost_the_key_has_a_small_window() -> None:
    which = model()
    del which.config["sliding_window"]
    judgement = window("4.51.3", WorkloadFacts(text_tokens=5000), which)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.evidence["sliding_window"] == 4096


@pytest.mark.parametrize(
    ("release", "load", "which", "outcome"),
    [
        ("4.45.2", LONG, model(), Outcome.PASS),
        ("4.52.0", LONG, model(), Outcome.PASS),
        ("5.23.0", LONG, model(), Outcome.PASS),
        ("4.49.0", WorkloadFacts(), model(), Outcome.PASS),
        (
            "4.49.0",
            WorkloadFacts(text_tokens=40_000, attention="flash_attention_2"),
            model(),
            Outcome.PASS,
        ),
        ("4.49.0", LONG, model(sliding_window=None), Outcome.NOT_APPLICABLE),
        ("4.49.0", LONG, model(use_sliding_window=True), Outcome.NOT_APPLICABLE),
        ("4.49.0", LONG, model("Qwen3-VL-8B"), Outcome.NOT_APPLICABLE),
        (None, LONG, model(), Outcome.BLOCKED),
    ],
)
def test_where_no_window_cuts(
    release: str | None, load: WorkloadFacts, which: ModelFacts, outcome: Outcome
) -> None:
    assert window(release, load, which).outcome is outcome


# gqa-math-fallback


@pytest.mark.parametrize(
    ("torch", "release", "attention", "which", "outcome"),
    [
        (card(7, 5), "4.54.0", None, model(), Outcome.FAIL),
        (card(7, 0), "5.23.0", "sdpa", model("Qwen3-VL-8B"), Outcome.FAIL),
        (card(7, 5), "4.53.3", None, model(), Outcome.PASS),
        (card(8, 0), "5.23.0", None, model(), Outcome.NOT_APPLICABLE),
        (NO_GPU, "5.23.0", None, model(), Outcome.NOT_APPLICABLE),
        (card(7, 5), "5.23.0", "eager", model(), Outcome.NOT_APPLICABLE),
        (card(7, 5), "5.23.0", None, model(num_key_value_heads=28), Outcome.NOT_APPLICABLE),
        (card(7, 5), "5.23.0", None, model(num_key_value_heads="x"), Outcome.NOT_APPLICABLE),
        (card(7, 5), None, None, model(), Outcome.BLOCKED),
        (None, "5.23.0", None, model(), Outcome.BLOCKED),
    ],
)
def test_grouped_heads_on_old_cards(
    torch: Any, release: str | None, attention: str | None, which: ModelFacts, outcome: Outcome
) -> None:
    load = WorkloadFacts(attention=attention)
    judgement = gqa_math_fallback.judge(which, load, packages(release), torch, None, None)
    assert judgement.outcome is outcome


def timed(*ratios: float) -> KernelSpeedFacts:
    rows = [
        KernelRatio(name=name, gpu=0, seconds=ratio * 1e-3, alternative_seconds=1e-3)
        for name, ratio in zip(("gqa prefill", "gqa decode"), ratios, strict=False)
    ]
    return KernelSpeedFacts(ratios=tuple(rows))


@pytest.mark.parametrize(
    ("torch", "release", "ratios", "outcome"),
    [
        (card(7, 5), "5.23.0", (1.0, 1.8), Outcome.FAIL),
        (card(7, 5), "5.23.0", (1.0, 1.1), Outcome.PASS),  # measured better than expected
        (card(9, 0), "5.23.0", (0.9, 0.8), Outcome.PASS),
        (card(9, 0), "5.23.0", (4.0, 1.0), Outcome.FAIL),  # nobody has reported this one
        (card(9, 0), "4.53.3", (4.0, 1.0), Outcome.PASS),
        (NO_GPU, "5.23.0", (), Outcome.NOT_APPLICABLE),
    ],
)
def test_grouped_heads_as_they_were_timed(
    torch: TorchFacts, release: str, ratios: tuple[float, ...], outcome: Outcome
) -> None:
    judgement = gqa_math_fallback.judge(
        model(), WorkloadFacts(), packages(release), torch, None, timed(*ratios)
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert judgement.fixes[0].verified
        assert "gqa" in (judgement.fixes[0].verification or "")


def test_the_function_that_the_fix_replaces_exists() -> None:
    names: dict[str, Any] = {}
    from transformers.integrations import sdpa_attention

    original = sdpa_attention.use_gqa_in_sdpa
    try:
        exec(FIX, names)
        assert sdpa_attention.use_gqa_in_sdpa(None, None) is False
    finally:
        sdpa_attention.use_gqa_in_sdpa = original


# linear-attention-fallback


@pytest.mark.parametrize(
    ("name", "release", "modules", "torch", "outcome"),
    [
        ("Qwen3.5-9B", "5.14.0", (), card(9, 0), Outcome.FAIL),
        ("Qwen3.5-9B", "5.14.0", ("fla",), card(9, 0), Outcome.FAIL),
        ("Qwen3.5-9B", "5.23.0", ("causal_conv1d",), card(9, 0), Outcome.FAIL),
        ("Qwen3.5-9B", "5.23.0", ("fla",), card(9, 0), Outcome.PASS),
        ("Qwen3.5-9B", "5.14.0", ("fla", "causal_conv1d"), card(9, 0), Outcome.PASS),
        ("Qwen3.5-9B", "5.23.0", (), NO_GPU, Outcome.NOT_APPLICABLE),
        ("Qwen3-VL-8B", "5.23.0", (), card(9, 0), Outcome.NOT_APPLICABLE),
        ("Qwen3.5-9B", None, (), card(9, 0), Outcome.BLOCKED),
        ("Qwen3.5-9B", "5.23.0", (), None, Outcome.BLOCKED),
    ],
)
def test_kernels_of_linear_layers(
    name: str, release: str | None, modules: tuple[str, ...], torch: Any, outcome: Outcome
) -> None:
    judgement = linear_attention_fallback.judge(
        model(name), packages(release, *modules), TARGET, torch, None
    )
    assert judgement.outcome is outcome


def test_the_rest_of_a_removed_package_does_not_count() -> None:
    left = packages("5.23.0")
    left.modules["fla"] = ModuleLocation(folder="/x/fla", namespace=True)
    judgement = linear_attention_fallback.judge(model("Qwen3.5-9B"), left, TARGET, card(9, 0), None)
    assert judgement.outcome is Outcome.FAIL


# flash-attention-3-slow-vision

HUB = "kernels-community/flash-attn"
FA2, FA3 = "flash_attention_2", "flash_attention_3"


@pytest.mark.parametrize(
    ("release", "wish", "selection", "outcome"),
    [
        ("4.57.1", FA3, None, Outcome.FAIL),
        ("4.54.0", FA3, selected(FA3, FA3, FA3), Outcome.FAIL),
        ("4.57.1", FA2, selected(FA2, HUB, HUB), Outcome.FAIL),
        ("4.57.1", FA2, None, Outcome.PASS),
        ("4.53.3", FA3, None, Outcome.PASS),
        ("5.0.0", FA3, None, Outcome.PASS),
        ("4.57.1", "sdpa", None, Outcome.NOT_APPLICABLE),
        ("4.57.1", None, selected(None, "sdpa", "sdpa"), Outcome.NOT_APPLICABLE),
        (None, FA3, None, Outcome.BLOCKED),
    ],
)
def test_the_vision_tower_in_pieces(
    release: str | None, wish: str | None, selection: Any, outcome: Outcome
) -> None:
    judgement = flash_attention_3_slow_vision.judge(
        model(), WorkloadFacts(attention=wish), packages(release), TARGET, selection
    )
    assert judgement.outcome is outcome


def test_families_without_that_tower() -> None:
    judgement = flash_attention_3_slow_vision.judge(
        model("Qwen3.5-9B"), WorkloadFacts(attention=FA3), packages("4.57.1"), TARGET, None
    )
    assert judgement.outcome is Outcome.NOT_APPLICABLE


# mixed-attention-implementations


@pytest.mark.parametrize(
    ("text", "vision", "dtype", "outcome"),
    [
        ("eager", FA2, "bfloat16", Outcome.FAIL),
        ("eager", "sdpa", "float16", Outcome.FAIL),
        ("eager", "sdpa", "float32", Outcome.PASS),
        ("sdpa", "eager", "bfloat16", Outcome.PASS),
        ("sdpa", "sdpa", "bfloat16", Outcome.PASS),
    ],
)
def test_two_implementations(text: str, vision: str, dtype: str, outcome: Outcome) -> None:
    judgement = mixed_attention_implementations.judge(
        selected(None, text, vision), model(), WorkloadFacts(dtype=dtype)
    )
    assert judgement.outcome is outcome


def test_nothing_was_selected() -> None:
    refused = SelectionFacts(rows=(Selection(wish=FA3, error="ImportError: not installed"),))
    load = WorkloadFacts(attention=FA3)
    for facts, which in (
        (refused, model()),
        (SelectionFacts(), model()),
        (selected(FA3, "eager", FA3), model("Qwen3.5-9B")),
    ):
        outcome = mixed_attention_implementations.judge(facts, which, load).outcome
        assert outcome is Outcome.NOT_APPLICABLE
