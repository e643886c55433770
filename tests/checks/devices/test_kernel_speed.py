"""Kernels beside their alternatives, and what a slow convolution costs."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
import torch

from qvl_checks.devices import kernel_pairs
from qvl_checks.devices.kernel_pairs import (
    BF16,
    CONV3D,
    DECODE,
    DEFAULT_TEXT,
    DEFAULT_VISION,
    PREFILL,
    KernelPair,
    compare,
    grouped,
    pairs,
    patch_embedding,
    product,
    sizes,
)
from qvl_checks.devices.kernel_speed_facts import KernelRatio, KernelSpeedFacts
from qvl_checks.devices.slow_conv3d import slow_conv3d, tower_over_embedding
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

VISION = {"patch_size": 4, "temporal_patch_size": 2, "in_channels": 3, "hidden_size": 32}
TEXT = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}


def measured(pair: KernelPair) -> KernelRatio:
    return msgspec.convert({"name": "x", "gpu": 0, **compare(torch, "cpu", pair)}, KernelRatio)


@pytest.mark.parametrize(
    "pair",
    [
        patch_embedding(torch, "cpu", "float32", VISION, patches=8),
        grouped(torch, "cpu", "float32", TEXT, 32, 32),
        grouped(torch, "cpu", "float32", TEXT, 1, 32),
    ],
)
def test_both_ways_compute_the_same(pair: KernelPair) -> None:
    row = measured(pair)
    assert row.difference is not None and row.difference < 1e-5
    assert row.ratio is not None and row.ratio > 0
    assert 1 <= row.rounds <= kernel_pairs.ROUNDS


def test_bfloat16_and_float16_agree_within_their_rounding() -> None:
    row = measured(product(torch, "cpu", 64))
    assert row.difference is not None and 0 < row.difference < 0.02


def test_the_ratio_is_of_time() -> None:
    def slow() -> Any:
        time.sleep(0.02)
        return torch.ones(1)

    def quick() -> Any:
        time.sleep(0.002)
        return torch.ones(1)

    row = measured(KernelPair(slow, quick, "sleeping"))
    assert row.ratio is not None and 3 < row.ratio < 15


def test_a_way_that_takes_very_long_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_pairs, "PAIR_S", 0.1)

    def slow() -> Any:
        time.sleep(0.2)
        return torch.ones(1)

    assert measured(KernelPair(slow, slow, "sleeping")).rounds == 1


def test_sizes_come_from_the_model_and_damaged_ones_from_a_known_one() -> None:
    found = resolve("Qwen3-VL-8B")
    assert found is not None
    vision = sizes(found.config["vision_config"], DEFAULT_VISION)
    assert (vision["patch_size"], vision["hidden_size"]) == (16, 1152)
    assert sizes({"patch_size": "x", "in_channels": 0}, DEFAULT_VISION) == DEFAULT_VISION
    assert sizes(None, DEFAULT_TEXT) == DEFAULT_TEXT
    narrow = sizes({"hidden_size": 2048, "num_attention_heads": 16}, DEFAULT_TEXT)
    assert narrow["head_dim"] == 128
    assert set(pairs({})) == {CONV3D, PREFILL, DECODE, BF16}


@pytest.mark.parametrize("name", ["Qwen2-VL-2B", "Qwen2.5-VL-7B", "Qwen3-VL-8B"])
def test_every_family_has_pairs_of_its_sizes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_pairs, "PROMPT", 16)
    monkeypatch.setattr(kernel_pairs, "CACHED", 32)
    found = resolve(name)
    assert found is not None
    makers = pairs(found.config)
    width = "1152" if name.startswith("Qwen3") else "1280"
    assert makers[CONV3D](torch, "cpu", "float32").shape.endswith(f"to {width}")
    assert "16 queries" in makers[PREFILL](torch, "cpu", "float32").shape
    assert "1 queries" in makers[DECODE](torch, "cpu", "float32").shape


@pytest.mark.parametrize(
    ("name", "low", "high"), [("Qwen2-VL-7B", 400, 450), ("Qwen2.5-VL-7B", 300, 350)]
)
def test_the_tower_outweighs_its_embedding(name: str, low: float, high: float) -> None:
    found = resolve(name)
    assert found is not None
    assert low < tower_over_embedding(found.config) < high
    assert tower_over_embedding({}) > 100


# The rule

TARGET = TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)


def judged(*rows: KernelRatio, reason: str = "", release: str = "2.11.0") -> Judgement:
    device = TorchDevice(index=0, name="A card")
    seen = TorchFacts(version=release, cuda_built=True, device_count=1, devices=(device,))
    return slow_conv3d.judge(
        speed=KernelSpeedFacts(reason=reason, ratios=rows),
        torch=seen,
        target=TARGET,
        model=model(),
        nvml=None,
        host=None,
    )


def model() -> ModelFacts:
    found = resolve("Qwen2.5-VL-7B")
    assert found is not None
    return found


def conv(ratio: float, **fields: Any) -> KernelRatio:
    usual: dict[str, Any] = {
        "seconds": ratio * 1e-4,
        "alternative_seconds": 1e-4,
        "difference": 1e-3,
        "shape": "4096 patches",
    }
    return KernelRatio(name=CONV3D, gpu=0, dtype="bfloat16", **{**usual, **fields})


UNTIMED = {"seconds": None, "alternative_seconds": None}


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ((conv(1.5),), Outcome.PASS),
        ((conv(8),), Outcome.PASS),  # 2 % of the tower
        ((conv(30),), Outcome.FAIL),
        ((conv(2000),), Outcome.FAIL),
        ((conv(1.5), conv(500)), Outcome.FAIL),
        ((conv(0, status="timed_out", reason="no answer", **UNTIMED),), Outcome.FAIL),
        ((conv(0, status="raised", reason="no kernel", **UNTIMED),), Outcome.INCONCLUSIVE),
        ((conv(0, status="not_run", reason="in use", **UNTIMED),), Outcome.BLOCKED),
        ((), Outcome.INCONCLUSIVE),
    ],
)
def test_the_cost_decides(rows: tuple[KernelRatio, ...], outcome: Outcome) -> None:
    assert judged(*rows).outcome is outcome


def test_the_cure_is_verified_by_the_same_measurement() -> None:
    judgement = judged(conv(500), release="2.9.1+cu128")
    linear, upgrade = judgement.fixes
    assert linear.verified and "50.00 ms" in (linear.verification or "")
    assert upgrade.command is not None and "torch>=2.10" in upgrade.command
    assert "2.9" in judgement.cause
    assert [fix.kind for fix in judged(conv(500)).fixes] == ["code"]


def test_where_nothing_was_timed() -> None:
    assert judged(reason="GPU 0 is full").outcome is Outcome.BLOCKED
    none = TorchFacts(version="2.13.0+cpu", cuda_built=False, device_count=0)
    judgement = slow_conv3d.judge(
        speed=KernelSpeedFacts(reason="no CUDA"),
        torch=none,
        target=TARGET,
        model=None,
        nvml=None,
        host=None,
    )
    assert judgement.outcome is Outcome.NOT_APPLICABLE


def test_the_cure_computes_what_the_convolution_computes() -> None:
    from qvl_checks.devices.slow_conv3d import LINEAR

    torch.manual_seed(0)

    class PatchEmbed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = torch.nn.Conv3d(3, 8, kernel_size=(2, 4, 4), stride=(2, 4, 4))

        def forward(self, patches: Any) -> Any:
            return self.proj(patches.view(-1, 3, 2, 4, 4)).view(-1, 8)

    holder = torch.nn.Module()
    holder.model = torch.nn.Module()
    holder.model.visual = torch.nn.Module()
    holder.model.visual.patch_embed = PatchEmbed()
    patches = torch.randn(5, 3 * 2 * 4 * 4)
    before = holder.model.visual.patch_embed(patches)
    exec(LINEAR, {"model": holder})
    after = holder.model.visual.patch_embed(patches)
    assert torch.allclose(before, after, atol=1e-5) and after.shape == (5, 8)
