"""torchvision beside torch: absent, broken in real processes, working."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES
from qvl_checks.versions.torch_builds import index_arguments, matching_torchvision
from qvl_checks.versions.torchvision_facts import VERSIONS_TORCHVISION, TorchvisionFacts
from qvl_checks.versions.torchvision_mismatch import torchvision_mismatch
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

TORCH = """
__version__ = "2.13.0+cpu"
class Result:
    def __init__(self, data): self.data = data
    def tolist(self): return self.data
def tensor(data): return data
"""
WORKING = """
import torch
__version__ = "0.28.0+cpu"
class ops:
    @staticmethod
    def nms(boxes, scores, threshold): return torch.Result(KEPT)
"""
REGISTRATION = "raise RuntimeError('operator torchvision::nms does not exist')"


def judged(environment: Any, target: TargetFacts, torchvision: str | None) -> Judgement:
    environment.install("torch", "2.13.0+cpu", TORCH)
    if torchvision:
        environment.install("torchvision", "0.28.0+cu130", torchvision)
    facts: TorchvisionFacts = environment.run(VERSIONS_TORCHVISION)
    packages = environment.run(VERSIONS_PACKAGES)
    judgement = torchvision_mismatch.judge(torchvision=facts, packages=packages, target=target)
    assert isinstance(judgement, Judgement)
    return judgement


def test_absent(environment: Any, target: TargetFacts) -> None:
    assert judged(environment, target, None).outcome is Outcome.NOT_APPLICABLE


def test_working(environment: Any, target: TargetFacts) -> None:
    judgement = judged(environment, target, WORKING.replace("KEPT", "[0, 2]"))
    assert judgement.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (REGISTRATION, "operator torchvision::nms does not exist"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        (WORKING.replace("KEPT", "[0, 1, 2]"), "wrong answer"),
    ],
)
def test_broken(source: str, words: str, environment: Any, target: TargetFacts) -> None:
    judgement = judged(environment, target, source)
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.title
    assert "different builds" in judgement.cause, "the numbers fit; only the build differs"
    assert judgement.fixes[0].command[-3:] == (
        "torchvision==0.28.*",
        "--index-url",
        "https://download.pytorch.org/whl/cpu",
    )


def test_a_wrong_pair_is_named(target: TargetFacts, packages: Any) -> None:
    facts = TorchvisionFacts(installed=True, status="raised", reason="RuntimeError: nms")
    judgement = torchvision_mismatch.judge(
        torchvision=facts,
        packages=packages(torch="2.8.0+cu128", torchvision="0.20.1+cu124"),
        target=target,
    )
    assert "goes with torchvision 0.23.*, not 0.20.1+cu124" in judgement.cause


@pytest.mark.parametrize(
    ("transformers", "explained"),
    [([], True), (["tokenizers<0.22"], False)],
)
def test_the_pin_that_torchvision_alone_asks_for_is_its_symptom(
    transformers: list[str], explained: bool, target: TargetFacts, packages: Any
) -> None:
    facts = TorchvisionFacts(installed=True, status="raised", reason="RuntimeError: nms")
    installed = packages(
        torch="2.8.0",
        torchvision=("0.20.1", ["torch==2.5.1"]),
        transformers=("4.55.0", transformers),
        tokenizers="0.22.0",
    )
    judgement = torchvision_mismatch.judge(torchvision=facts, packages=installed, target=target)
    assert ("versions.dependency-pins-violated" in judgement.explains) is explained


@pytest.mark.parametrize(
    ("torch", "torchvision", "index"),
    [
        ("2.0.1+cu118", "0.15.*", "cu118"),
        ("2.13.0", "0.28.*", None),
        ("2.6.0+rocm6.2.4", "0.21.*", "rocm6.2.4"),
        ("1.13.1", None, None),
        ("2.6.0a0+ecf3bae40a.nv25.1", "0.21.*", None),
        (None, None, None),
    ],
)
def test_pairs(torch: str | None, torchvision: str | None, index: str | None) -> None:
    assert matching_torchvision(torch) == torchvision
    arguments = index_arguments(torch)
    assert arguments == (
        ("--index-url", f"https://download.pytorch.org/whl/{index}") if index else ()
    )


def test_facts_survive_a_round_trip() -> None:
    data = {"installed": True, "status": "raised", "chain": ["a", "b"], "new_field": 1}
    assert msgspec.convert(data, TorchvisionFacts).chain == ("a", "b")
