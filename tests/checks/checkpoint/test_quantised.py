"""Rules about quantised checkpoints: the vision tower, AWQ heads, FP8 and 4 bits on old cards."""

from __future__ import annotations

import time
from typing import Any

import pytest
from packaging.version import Version

from qvl_checks.checkpoint.awq_garbled import awq_garbled
from qvl_checks.checkpoint.files_facts import Examples
from qvl_checks.checkpoint.fp8_checkpoint_unsupported import fp8_checkpoint_unsupported
from qvl_checks.checkpoint.int4_nan_on_old_gpu import int4_nan_on_old_gpu
from qvl_checks.checkpoint.quantization import bits, method
from qvl_checks.checkpoint.skip_list import covers, undecidable
from qvl_checks.checkpoint.vision_tower_quantized import vision_tower_quantized
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Outcome

AWQ = {"quant_method": "awq", "bits": 4, "modules_to_not_convert": ["visual"]}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_compute_dtype": "bfloat16"}
FP8 = {
    "quant_method": "fp8",
    "weight_block_size": [128, 128],
    "modules_to_not_convert": ["model.visual", "lm_head"],
}
GPTQ = {"quant_method": "gptq", "bits": 4}
GROUPS = {"group_0": {"weights": {"num_bits": 4}}, "group_1": {"weights": {"num_bits": 8}}}
STORED = Examples(count=96, examples=("visual.blocks.0.attn.qkv.qweight",))
MODULE = "model.visual.blocks.0.attn.qkv"


@pytest.mark.parametrize(
    ("config", "name", "width"),
    [
        (AWQ, "awq", 4),
        (BNB, "bitsandbytes", 4),
        ({"load_in_8bit": True}, "bitsandbytes", 8),
        ({"quant_method": "bitsandbytes_4bit", "_load_in_4bit": True}, "bitsandbytes", 4),
        (FP8, "fp8", 8),
        ({"quant_method": "compressed-tensors", "config_groups": GROUPS}, "compressed-tensors", 4),
        ({"quant_method": 3, "bits": "four", "config_groups": {"x": 1}}, "", None),
    ],
)
def test_method_and_width(config: dict[str, Any], name: str, width: int | None) -> None:
    assert (method(config), bits(config)) == (name, width)


@pytest.mark.parametrize(
    ("entry", "release", "how", "covered"),
    [
        ("visual", "4.57.1", "bitsandbytes", True),
        ("vis", "4.57.1", "bitsandbytes", False),
        ("vis", "4.57.1", "awq", True),
        ("visual", "5.23.0", "bitsandbytes", False),
        ("visual", "5.23.0", "awq", False),
        ("visual", "5.23.0", "fp8", True),
        ("visual", "5.0.0", "fp8", False),
        ("model.visual", "5.23.0", "awq", True),
        ("model.visual.blocks.0.attn.qkv", "5.0.0", "fp8", True),
        ("attn.qkv", "5.0.0", "awq", True),
        (r"model.visual.*", "5.0.0", "awq", True),
        ("model.vis", "5.17.0", "awq", True),
        ("model.vis", "5.22.0", "awq", False),
        (r"model.*qkv", "5.0.0", "awq", True),
        (r"model.*proj", "5.0.0", "awq", False),
    ],
)
def test_matching_of_skip_lists(entry: str, release: str, how: str, covered: bool) -> None:
    assert covers(entry, MODULE, Version(release), how) is covered


@pytest.mark.slow
def test_matching_agrees_with_the_installed_release() -> None:
    """The library's own function."""
    import transformers
    from transformers.quantizers import quantizers_utils as utils

    release = Version(transformers.__version__)
    for entry in ("visual", "model.visual", "attn.qkv", "lm_head", "model.vis", "model.*qkv"):
        converts = utils.should_convert_module(MODULE, [entry])
        assert covers(entry, MODULE, release, "awq") is not converts, entry


def test_hostile_patterns_cost_nothing() -> None:
    assert undecidable(["(a+)+$", "model.visual.*", "lm_head"]) == ["(a+)+$"]
    began = time.monotonic()
    assert not covers("a.*" * 5000 + "b", "a" * 5000, Version("5.23.0"), "awq")
    assert not covers("a.*a.*a.*b", "a" * 300, Version("5.23.0"), "awq")
    assert time.monotonic() - began < 1


@pytest.fixture
def vision(whole: Any, model: Any, packages: Any) -> Any:
    def judge(quantization: Any, release: str = "5.23.0", **changes: Any) -> Any:
        files = whole(quantization_config=quantization, **changes)
        installed = packages(transformers=release) if release else packages()
        return vision_tower_quantized.judge(files, model(), installed)

    return judge


def test_a_vision_tower_that_is_left_alone(vision: Any) -> None:
    assert vision(AWQ, "4.57.1").outcome is Outcome.PASS
    assert vision({**AWQ, "modules_to_not_convert": ["model.visual"]}).outcome is Outcome.PASS
    assert vision(FP8).outcome is Outcome.PASS
    assert vision(GPTQ).outcome is Outcome.PASS


def test_the_published_awq_list_no_longer_matches_on_5(vision: Any) -> None:
    judgement = vision(AWQ, "5.23.0")
    assert judgement.outcome is Outcome.FAIL
    assert '"model.visual"' in judgement.fixes[0].code
    assert judgement.evidence["not_covered"][0] == MODULE


@pytest.mark.parametrize("release", ["4.49.0", "4.57.1", "5.23.0"])
def test_bitsandbytes_without_a_list_converts_everything(vision: Any, release: str) -> None:
    assert vision(BNB, release).outcome is Outcome.FAIL


def test_a_stored_tower_in_four_bits(vision: Any) -> None:
    judgement = vision(GPTQ, tensors={"vision_quantized": STORED})
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence.value == "measured"


@pytest.mark.parametrize("config", [FP8, {**GPTQ, "bits": 8}, {"quant_method": "gptq"}])
def test_a_stored_tower_in_more_bits_is_left_open(vision: Any, config: Any) -> None:
    assert vision(config, tensors={"vision_quantized": STORED}).outcome is Outcome.INCONCLUSIVE


def test_vision_rule_elsewhere(vision: Any, no_folder: Any, model: Any, packages: Any) -> None:
    assert vision(None).outcome is Outcome.NOT_APPLICABLE
    assert vision(AWQ, "").outcome is Outcome.BLOCKED
    assert vision(AWQ, tensors={"vision_tensors": 0}).outcome is Outcome.BLOCKED
    strange = {**AWQ, "modules_to_not_convert": ["(visual|lm_head)"]}
    assert vision(strange).outcome is Outcome.INCONCLUSIVE
    outcome = vision_tower_quantized.judge(no_folder, model(), packages()).outcome
    assert outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("release", "listed", "outcome"),
    [
        ("4.49.0", ["visual"], Outcome.PASS),
        ("4.50.0", ["visual"], Outcome.FAIL),
        ("4.51.3", ["visual"], Outcome.FAIL),
        ("4.52.0", ["visual"], Outcome.FAIL),
        ("4.52.1", ["visual"], Outcome.PASS),
        ("4.51.3", ["visual", "lm_head"], Outcome.PASS),
        ("4.51.3", None, Outcome.PASS),
        (None, ["visual"], Outcome.BLOCKED),
    ],
)
def test_awq_heads(
    whole: Any, packages: Any, target: Any, release: Any, listed: Any, outcome: Outcome
) -> None:
    files = whole(quantization_config={**AWQ, "modules_to_not_convert": listed})
    installed = packages(transformers=release) if release else packages()
    assert awq_garbled.judge(files, installed, target).outcome is outcome


def test_awq_rule_elsewhere(whole: Any, no_folder: Any, packages: Any, target: Any) -> None:
    for files in (no_folder, whole(), whole(quantization_config=GPTQ)):
        outcome = awq_garbled.judge(files, packages(transformers="4.51.3"), target).outcome
        assert outcome is Outcome.NOT_APPLICABLE


@pytest.fixture
def fp8(whole: Any, packages: Any) -> Any:
    def judge(torch: Any, release: str, config: Any = FP8, nvml: Any = None, **load: Any) -> Any:
        files = whole(quantization_config=config)
        installed = packages(transformers=release) if release else packages()
        return fp8_checkpoint_unsupported.judge(
            files, installed, WorkloadFacts(**load), torch, nvml
        )

    return judge


def test_fp8_by_card_and_release(fp8: Any, gpu: Any, no_gpu: Any) -> None:
    assert fp8(gpu((9, 0)), "5.23.0").outcome is Outcome.PASS
    assert fp8(gpu((8, 9)), "4.57.1").outcome is Outcome.PASS
    assert "refuses" in fp8(gpu((8, 6)), "4.57.1").title
    assert fp8(gpu((8, 6)), "4.57.1").outcome is Outcome.FAIL
    assert fp8(no_gpu, "4.57.1").outcome is Outcome.FAIL
    assert fp8(no_gpu, "5.23.0").outcome is Outcome.NOT_APPLICABLE


def test_fp8_that_grows(fp8: Any, gpu: Any) -> None:
    too_large = fp8(gpu((8, 0), free_gib=22), "5.23.0")
    assert too_large.outcome is Outcome.FAIL
    assert "up to 32.0 GiB instead of 16.0 GiB, and 22.0 GiB are free" in too_large.title
    assert fp8(gpu((8, 0), free_gib=70), "5.23.0").outcome is Outcome.PASS


def test_fp8_counts_all_cards_when_the_model_is_spread(fp8: Any) -> None:
    cards = tuple(
        Gpu(index=n, name="A100", capability=(8, 0), free_bytes=20 * 2**30) for n in (0, 1)
    )
    nvml = NvmlFacts(available=True, devices=cards)
    assert fp8(None, "5.23.0", nvml=nvml).outcome is Outcome.FAIL
    assert fp8(None, "5.23.0", nvml=nvml, device_map="auto").outcome is Outcome.PASS


def test_fp8_elsewhere(fp8: Any, gpu: Any, no_folder: Any, packages: Any) -> None:
    assert fp8(gpu((8, 0)), "5.23.0", AWQ).outcome is Outcome.NOT_APPLICABLE
    assert fp8(None, "5.23.0").outcome is Outcome.BLOCKED
    assert fp8(gpu((8, 0)), "").outcome is Outcome.BLOCKED
    outcome = fp8_checkpoint_unsupported.judge(
        no_folder, packages(), WorkloadFacts(), None, None
    ).outcome
    assert outcome is Outcome.NOT_APPLICABLE


@pytest.fixture
def int4(whole: Any, model: Any) -> Any:
    def judge(torch: Any, config: Any = GPTQ, kind: str = "qwen2_vl", **load: Any) -> Any:
        files = whole(quantization_config=config)
        return int4_nan_on_old_gpu.judge(files, model(kind), WorkloadFacts(**load), torch, None)

    return judge


def test_four_bits_on_old_cards(int4: Any, gpu: Any, no_gpu: Any, no_folder: Any) -> None:
    old, new = gpu((7, 5)), gpu((8, 0))
    fails = int4(old, attention="eager")
    assert fails.outcome is Outcome.FAIL
    assert fails.confidence.value == "reported"
    assert int4(old, kind="qwen").outcome is Outcome.FAIL
    assert int4(old).outcome is Outcome.PASS
    float32 = {**BNB, "bnb_4bit_compute_dtype": "float32"}
    assert int4(old, float32, attention="eager").outcome is Outcome.PASS
    for torch, config in ((new, GPTQ), (no_gpu, GPTQ), (old, FP8), (old, None)):
        outcome = int4(torch, config, attention="eager").outcome
        assert outcome is Outcome.NOT_APPLICABLE
    assert int4(None, attention="eager").outcome is Outcome.BLOCKED


def test_four_bits_without_a_folder(no_folder: Any, model: Any, gpu: Any) -> None:
    judgement = int4_nan_on_old_gpu.judge(no_folder, model(), WorkloadFacts(), gpu((7, 0)), None)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
