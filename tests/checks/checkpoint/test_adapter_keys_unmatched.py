"""Module paths of adapters against releases, as measured with real adapters."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.adapter_keys_unmatched import RENAME, adapter_keys_unmatched
from qvl_checks.checkpoint.files_facts import Adapter
from qvl_doctor.findings import Outcome

OLD = {"base_model.model.model.layers": 56, "base_model.model.visual.blocks": 8}
TEXT_ONLY = {"base_model.model.model.layers": 56}
NEW = {
    "base_model.model.model.language_model.layers": 56,
    "base_model.model.model.visual.blocks": 8,
}
ENGINE = {"base_model.model.language_model.model.layers": 56}


@pytest.fixture
def judged(whole: Any, model: Any, packages: Any, target: Any) -> Any:
    def judge(
        prefixes: dict[str, int], release: str, peft: str, model_type: str = "qwen2_5_vl"
    ) -> Any:
        adapter = Adapter(count=max(1, sum(prefixes.values())), prefixes=prefixes)
        installed = packages(transformers=release, peft=peft)
        return adapter_keys_unmatched.judge(
            whole(adapter=adapter), model(model_type), installed, target
        )

    return judge


@pytest.mark.parametrize(
    ("prefixes", "release", "peft", "model_type"),
    [
        (OLD, "4.49.0", "0.15.2", "qwen2_5_vl"),
        (OLD, "4.53.3", "0.17.1", "qwen2_5_vl"),
        (OLD, "4.57.6", "0.21.2", "qwen2_5_vl"),
        (OLD, "5.0.0", "0.21.2", "qwen2_5_vl"),
        (NEW, "4.53.3", "0.15.2", "qwen2_5_vl"),
        (NEW, "5.23.0", "0.21.2", "qwen3_vl"),
    ],
)
def test_adapters_that_are_used(
    judged: Any, prefixes: dict[str, int], release: str, peft: str, model_type: str
) -> None:
    assert judged(prefixes, release, peft, model_type).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("prefixes", "release", "peft", "model_type", "unmatched"),
    [
        (OLD, "4.53.3", "0.15.2", "qwen2_5_vl", 64),
        (OLD, "5.23.0", "0.21.2", "qwen2_5_vl", 64),
        (NEW, "4.49.0", "0.21.2", "qwen2_5_vl", 64),
        (TEXT_ONLY, "5.23.0", "0.21.2", "qwen3_vl", 56),
        (ENGINE, "4.57.6", "0.21.2", "qwen2_5_vl", 56),
        ({**NEW, **ENGINE}, "5.23.0", "0.21.2", "qwen2_5_vl", 56),
    ],
)
def test_adapters_without_effect(
    judged: Any,
    prefixes: dict[str, int],
    release: str,
    peft: str,
    model_type: str,
    unmatched: int,
) -> None:
    judgement = judged(prefixes, release, peft, model_type)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.evidence["unmatched"] == unmatched
    assert judgement.fixes


def test_a_newer_peft_is_advised_only_where_it_helps(judged: Any) -> None:
    def kinds(release: str) -> list[str]:
        return [fix.kind for fix in judged(OLD, release, "0.15.2").fixes]

    assert kinds("4.53.3") == ["command", "code"]
    assert kinds("5.23.0") == ["code"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight",
            "base_model.model.model.language_model.layers.0.mlp.up_proj.lora_A.weight",
        ),
        (
            "base_model.model.visual.blocks.0.attn.qkv.lora_A.weight",
            "base_model.model.model.visual.blocks.0.attn.qkv.lora_A.weight",
        ),
    ],
)
def test_the_code_of_the_fix_renames(old: str, new: str) -> None:
    definition = RENAME.partition("state = ")[0].replace(
        "from safetensors.torch import load_file, save_file\n", ""
    )
    names: dict[str, Any] = {}
    exec(definition, names)
    assert names["rename"](old) == new
    assert names["rename"](new) == new


def test_where_it_does_not_apply(
    judged: Any, whole: Any, no_folder: Any, model: Any, packages: Any, target: Any
) -> None:
    some = packages(transformers="5.23.0")
    for files in (no_folder, whole()):
        outcome = adapter_keys_unmatched.judge(files, model(), some, target).outcome
        assert outcome is Outcome.NOT_APPLICABLE
    assert judged(NEW, "5.23.0", "0.21.2", "llama").outcome is Outcome.NOT_APPLICABLE
    assert judged({}, "5.23.0", "0.21.2").outcome is Outcome.INCONCLUSIVE
    files = whole(adapter=Adapter(count=1, prefixes=NEW))
    outcome = adapter_keys_unmatched.judge(files, model(), packages(), target).outcome
    assert outcome is Outcome.BLOCKED
