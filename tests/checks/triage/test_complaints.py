"""Complaints in people's own words: each leads to its cause, and those without one to none."""

from __future__ import annotations

import pytest
from tests.checks.triage.cases import first

from qvl_checks.triage.advice import ADVICE
from qvl_checks.triage.clues import Clues
from qvl_checks.triage.complaints import ABOUT, COMPLAINTS, NO_CAUSE
from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.likeness import likeness
from qvl_checks.triage.page import Page
from qvl_checks.triage.rule import Case

TEXTS = [(cause, text) for cause, texts in COMPLAINTS.items() for text in texts]


def test_every_complaint_is_of_a_known_cause() -> None:
    assert set(COMPLAINTS) - {NO_CAUSE} <= set(ADVICE)
    assert set(ABOUT) <= set(ADVICE)
    assert set(COMPLAINTS) - {NO_CAUSE} <= set(ABOUT)


@pytest.mark.parametrize(
    ("cause", "text"), TEXTS, ids=[f"{c}-{i}" for i, (c, _) in enumerate(TEXTS)]
)
def test_a_complaint_leads_to_its_cause(cause: str, text: str) -> None:
    found = first(diagnose(text))
    if cause == NO_CAUSE:
        assert found in (None, "memory.generic-out-of-memory")
    elif cause == "memory.cross-image-attention-memory":
        assert found in (cause, "memory.vision-attention-memory")
    else:
        assert found == cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("bnb 4bit: Qwen2-VL can't read any pictures", "checkpoint.vision-tower-quantized"),
        ("Qwen2.5-VL 的 lora 升级 transformers 之后就没用了", "checkpoint.adapter-keys-unmatched"),
    ],
)
def test_what_is_like_a_complaint_has_its_cause_as_a_guess(text: str, cause: str) -> None:
    hit = likeness(Case(Clues(Page(text))))
    assert hit is not None
    assert hit.id == cause
    assert hit.score < 60


@pytest.mark.parametrize(
    "text",
    [
        "Qwen2.5-VL",
        "Qwen2.5-VL is great, thank you!",
        "Llama eager gives garbage",
        "vllm Qwen2-VL eager says nonsense",
    ],
)
def test_nothing_is_guessed_without_a_complaint_of_ours(text: str) -> None:
    assert likeness(Case(Clues(Page(text)))) is None
