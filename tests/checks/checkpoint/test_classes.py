"""Which family and which auto class config.json and the tensor names speak of."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.families import family_of_class
from qvl_checks.checkpoint.files_facts import Index, KeyBiases, RemoteCode, Shard
from qvl_checks.checkpoint.wrong_auto_class import wrong_auto_class
from qvl_checks.checkpoint.wrong_model_class import wrong_model_class
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.findings import Outcome

NO_INDEX = Index(name="model.safetensors.index.json", state="missing")
CUT_OFF = (Shard(name="model.safetensors", verdict="truncated"),)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen2VLForConditionalGeneration", "qwen2_vl"),
        ("Qwen2_5_VLModel", "qwen2_5_vl"),
        ("Qwen3VLForConditionalGeneration", "qwen3_vl"),
        ("Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe"),
        ("Qwen3_5MoeForCausalLM", "qwen3_5_moe"),
        ("Qwen3_5ForCausalLM", "qwen3_5"),
        ("LlamaForCausalLM", None),
    ],
)
def test_the_family_of_a_class(name: str, family: str | None) -> None:
    assert family_of_class(name) == family


def test_both_pass_for_a_whole_checkpoint(whole: Any, model: Any) -> None:
    assert wrong_model_class.judge(whole(), model()).outcome is Outcome.PASS
    judgement = wrong_auto_class.judge(whole(), model(), None)
    assert judgement.outcome is Outcome.PASS
    assert "load it with AutoModelForImageTextToText" in judgement.title


def test_neither_applies_without_a_folder_or_to_other_models(
    whole: Any, no_folder: Any, model: Any
) -> None:
    llama = model("llama")
    for files, which in ((no_folder, model()), (whole(), llama)):
        assert wrong_model_class.judge(files, which).outcome is Outcome.NOT_APPLICABLE
        assert wrong_auto_class.judge(files, which, None).outcome is Outcome.NOT_APPLICABLE


def test_both_are_blocked_while_names_are_unknown(whole: Any, model: Any) -> None:
    files = whole(shards=CUT_OFF, index=NO_INDEX, tensors={"vision_gates": 0})
    assert wrong_model_class.judge(files, model()).outcome is Outcome.BLOCKED
    assert wrong_auto_class.judge(files, model(), None).outcome is Outcome.BLOCKED


def test_a_class_of_another_family(whole: Any, model: Any) -> None:
    other = model(architectures=["Qwen2VLForConditionalGeneration"])
    judgement = wrong_model_class.judge(whole(), other)
    assert judgement.outcome is Outcome.FAIL
    assert "qwen2_5_vl" in judgement.title
    assert "Qwen2VLForConditionalGeneration" in judgement.title


@pytest.mark.parametrize(
    ("model_type", "tensors"),
    [
        ("qwen2_5_vl", {"qk_norms": 72, "k_proj_biases": KeyBiases()}),
        ("qwen3_vl", {"k_proj_biases": KeyBiases(count=28)}),
        ("qwen2_vl", {"vision_gates": 64}),
        ("qwen2_5_vl", {"vision_gates": 0}),
    ],
)
def test_weights_of_another_family(
    whole: Any, model: Any, model_type: str, tensors: dict[str, Any]
) -> None:
    judgement = wrong_model_class.judge(whole(tensors=tensors), model(model_type))
    assert judgement.outcome is Outcome.FAIL
    assert "weights are not those" in judgement.title


def test_quantised_weights_of_the_family_are_not_suspected(whole: Any, model: Any) -> None:
    """Quantised files may lack biases; only what is there counts."""
    files = whole(tensors={"qk_norms": 72, "k_proj_biases": KeyBiases()})
    assert wrong_model_class.judge(files, model("qwen3_vl")).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("model_type", "config", "tensors"),
    [
        ("qwen3_5_text", {}, {"vision_tensors": 0}),
        ("qwen2_5_vl", {}, {"vision_tensors": 0}),
        ("qwen2_5_vl", {"architectures": ["Qwen2_5_VLModel"]}, {}),
    ],
)
def test_a_part_of_the_model_was_saved(
    whole: Any, model: Any, model_type: str, config: dict[str, Any], tensors: dict[str, Any]
) -> None:
    judgement = wrong_auto_class.judge(whole(tensors=tensors), model(model_type, **config), None)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.fixes[0].code is not None


def test_an_old_release_needs_the_concrete_class(whole: Any, model: Any) -> None:
    surface = TransformersSurfaceFacts(installed=True, auto_classes=("AutoModelForVision2Seq",))
    title = wrong_auto_class.judge(whole(), model("qwen2_vl"), surface).title
    assert "load it with Qwen2VLForConditionalGeneration" in title


@pytest.mark.parametrize("auto_map", [(), ("AutoConfig",)])
def test_qwen_vl_chat_needs_its_auto_map(whole: Any, model: Any, auto_map: Any) -> None:
    files = whole(remote_code=RemoteCode(auto_map=auto_map))
    assert wrong_auto_class.judge(files, model("qwen"), None).outcome is Outcome.FAIL
    files = whole(remote_code=RemoteCode(auto_map=("AutoModelForCausalLM",)))
    assert wrong_auto_class.judge(files, model("qwen"), None).outcome is Outcome.PASS


@pytest.mark.parametrize("nonsense", [None, 7, "Qwen2VL", [None, 3], {}])
def test_nonsense_in_architectures_is_survived(whole: Any, model: Any, nonsense: object) -> None:
    odd = model(architectures=nonsense)
    assert wrong_model_class.judge(whole(), odd).outcome is Outcome.PASS
    assert wrong_auto_class.judge(whole(), odd, None).outcome is Outcome.PASS
