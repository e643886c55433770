"""Removed auto classes, frameworks, the first Qwen-VL-Chat, and NumPy's majors."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, RemoteCode
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.framework_model_skew import framework_model_skew
from qvl_checks.versions.legacy_chat_environment import legacy_chat_environment
from qvl_checks.versions.numpy_major_mismatch import numpy_major_mismatch
from qvl_checks.versions.removed_auto_class import NEW, OLD, removed_auto_class
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Outcome

CHAT = ModelFacts(
    name="Qwen-VL-Chat", source="folder", model_type="qwen", config={"auto_map": {"AutoModel": "x"}}
)
ASKS = CheckpointFilesFacts(state="read", remote_code=RemoteCode(auto_map=("AutoConfig", OLD)))
PLAIN = CheckpointFilesFacts(state="read")
CHAT_NEEDS = {"tiktoken": "0.7", "einops": "0.8", "transformers_stream_generator": "0.0.5"}


@pytest.mark.parametrize(
    ("names", "files", "outcome"),
    [
        ((OLD, NEW), ASKS, Outcome.PASS),
        ((NEW,), ASKS, Outcome.FAIL),
        ((NEW,), PLAIN, Outcome.NOT_APPLICABLE),
        ((NEW,), None, Outcome.NOT_APPLICABLE),
        (None, ASKS, Outcome.BLOCKED),
    ],
)
def test_the_removed_auto_class(
    packages: Any, target: Any, names: Any, files: Any, outcome: Outcome
) -> None:
    surface = TransformersSurfaceFacts(installed=True, auto_classes=names)
    installed = packages(transformers="5.23.0")
    assert removed_auto_class.judge(surface, installed, target, files).outcome is outcome


def test_the_removed_auto_class_without_transformers(packages: Any, target: Any) -> None:
    surface = TransformersSurfaceFacts(installed=False, reason="not found")
    outcome = removed_auto_class.judge(surface, packages(), target, None).outcome
    assert outcome is Outcome.BLOCKED


@pytest.mark.parametrize(
    ("versions", "outcome"),
    [
        ({"transformers": "4.49.0.dev0"}, Outcome.FAIL),
        (
            {"transformers": "4.45.2", "vllm": ("0.11.0", ["transformers>=4.57"])},
            Outcome.FAIL,
        ),
        (
            {"transformers": "4.57.1", "vllm": ("0.11.0", ["transformers>=4.57"])},
            Outcome.PASS,
        ),
        (
            {"transformers": "4.57.1", "vllm": ("0.11.0", ["torch==2.8.0"])},
            Outcome.PASS,
        ),
        ({"transformers": "4.57.1"}, Outcome.NOT_APPLICABLE),
        ({"vllm": "0.11.0"}, Outcome.BLOCKED),
    ],
)
def test_frameworks(
    packages: Any, qwen25: Any, target: Any, versions: Any, outcome: Outcome
) -> None:
    judgement = framework_model_skew.judge(packages(**versions), qwen25, target)
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("release", "model_type", "outcome"),
    [
        ("4.49.0", "qwen2_5_vl", Outcome.FAIL),
        ("4.51.3", "qwen2_vl", Outcome.FAIL),
        ("4.53.3", "qwen2_5_vl", Outcome.NOT_APPLICABLE),
        ("4.49.0", "qwen3_vl", Outcome.NOT_APPLICABLE),
    ],
)
def test_a_config_of_the_newer_layout(
    packages: Any, target: Any, release: str, model_type: str, outcome: Outcome
) -> None:
    model = ModelFacts(
        name="x", source="folder", model_type=model_type, config={"text_config": {"a": 1}}
    )
    judgement = framework_model_skew.judge(packages(transformers=release), model, target)
    assert judgement.outcome is outcome


def test_a_framework_whose_requirements_were_not_read(
    packages: Any, qwen25: Any, target: Any
) -> None:
    installed = packages(transformers="4.57.1")
    installed.installed["xinference"] = "1.0"
    outcome = framework_model_skew.judge(installed, qwen25, target).outcome
    assert outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("versions", "outcome"),
    [
        ({"transformers": "4.32.0", **CHAT_NEEDS}, Outcome.PASS),
        ({"transformers": "4.44.2", **CHAT_NEEDS}, Outcome.FAIL),
        ({"transformers": "4.32.0"}, Outcome.FAIL),
        ({}, Outcome.BLOCKED),
    ],
)
def test_the_environment_of_qwen_vl_chat(packages: Any, versions: Any, outcome: Outcome) -> None:
    assert legacy_chat_environment.judge(CHAT, packages(**versions)).outcome is outcome


def test_other_models_need_no_old_environment(packages: Any, qwen25: Any) -> None:
    text_only = ModelFacts(name="Qwen-7B", source="folder", model_type="qwen")
    for model in (qwen25, text_only):
        outcome = legacy_chat_environment.judge(model, packages(transformers="5.23.0")).outcome
        assert outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("versions", "bridge", "outcome"),
    [
        ({"numpy": "2.1.0", "decord": ("0.6", ["numpy<2"])}, True, Outcome.FAIL),
        ({"numpy": "2.1.0", "decord": ("0.6", ["numpy>=1.14"])}, True, Outcome.PASS),
        ({"numpy": "1.26.4", "decord": ("0.6", ["numpy>=2"])}, True, Outcome.PASS),
        ({"numpy": "2.1.0", "decord": ("0.6", ["numpy<2"])}, None, Outcome.NOT_APPLICABLE),
        ({}, True, Outcome.NOT_APPLICABLE),
    ],
)
def test_numpy_majors(
    packages: Any, target: Any, versions: Any, bridge: bool | None, outcome: Outcome
) -> None:
    torch = TorchFacts(version="2.13.0", numpy_bridge=bridge)
    assert numpy_major_mismatch.judge(packages(**versions), target, torch).outcome is outcome


def test_numpy_without_torch(packages: Any, target: Any) -> None:
    installed = packages(numpy="2.1.0", decord=("0.6", ["numpy<2"]))
    judgement = numpy_major_mismatch.judge(installed, target, None)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence.value == "heuristic"
