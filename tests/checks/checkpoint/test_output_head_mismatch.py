"""Heads and flags, as each release reads them."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from qvl_checks.checkpoint.files_facts import Examples, Index, Shard, Tied
from qvl_checks.checkpoint.output_head_mismatch import output_head_mismatch
from qvl_checks.checkpoint.tied_weights import ties
from qvl_doctor.findings import Outcome

HEADLESS = {"output_head": Examples()}
NESTED = {"text_config": {"hidden_size": 2048}}


@pytest.mark.parametrize(
    ("release", "model_type", "nested", "flags", "tied"),
    [
        # Observed on models built with these flags.
        ("4.49.0", "qwen2_5_vl", False, Tied(top=True), True),
        ("4.57.6", "qwen2_5_vl", False, Tied(top=True), True),
        ("5.23.0", "qwen2_5_vl", False, Tied(), False),
        ("4.57.6", "qwen3_vl", True, Tied(text_config=True), True),
        ("4.57.6", "qwen3_vl", True, Tied(top=True), False),
        ("4.57.6", "qwen3_vl", True, Tied(top=True, text_config=False), False),
        ("5.0.0", "qwen2_5_vl", True, Tied(text_config=True), False),
        ("5.0.0", "qwen2_5_vl", True, Tied(top=True), True),
        ("5.23.0", "qwen2_5_vl", True, Tied(top=False, text_config=True), True),
        ("5.0.0", "qwen3_vl", True, Tied(top=True, text_config=False), True),
        ("5.23.0", "qwen3_vl", True, Tied(text_config=True), False),
        ("5.15.1", "qwen2_vl", True, Tied(text_config=True), False),
    ],
)
def test_the_flag_that_counts(
    release: str, model_type: str, nested: bool, flags: Tied, tied: bool
) -> None:
    assert ties(Version(release), model_type, nested, flags) is tied


def test_head_present_and_wanted(whole: Any, model: Any, packages: Any) -> None:
    judgement = output_head_mismatch.judge(whole(), model(), packages(transformers="5.23.0"))
    assert judgement.outcome is Outcome.PASS


def test_no_folder_and_other_models(whole: Any, no_folder: Any, model: Any, packages: Any) -> None:
    some = packages(transformers="5.23.0")
    for files, which in ((no_folder, model()), (whole(), model("llama"))):
        outcome = output_head_mismatch.judge(files, which, some).outcome
        assert outcome is Outcome.NOT_APPLICABLE


def test_head_missing_and_wanted(whole: Any, model: Any, packages: Any) -> None:
    files = whole(tensors=HEADLESS, tie_word_embeddings=Tied(top=False))
    judgement = output_head_mismatch.judge(files, model(), packages(transformers="4.57.1"))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.confidence.value == "measured"


@pytest.mark.parametrize(
    ("model_type", "release", "flags"),
    [
        ("qwen3_vl", "4.57.1", Tied(top=True)),
        ("qwen3_vl", "5.23.0", Tied(text_config=True)),
        ("qwen2_5_vl", "5.8.1", Tied(text_config=True)),
    ],
)
def test_the_flag_stands_where_this_release_does_not_look(
    whole: Any, model: Any, packages: Any, model_type: str, release: str, flags: Tied
) -> None:
    files = whole(tensors=HEADLESS, tie_word_embeddings=flags)
    judgement = output_head_mismatch.judge(
        files, model(model_type, **NESTED), packages(transformers=release)
    )
    assert judgement.outcome is Outcome.FAIL
    assert '"text_config": {"tie_word_embeddings": true}' in (judgement.fixes[0].code or "")


def test_a_tied_model_passes_and_names_the_releases_that_break_it(
    whole: Any, model: Any, packages: Any
) -> None:
    files = whole(tensors=HEADLESS, tie_word_embeddings=Tied(top=True))
    judgement = output_head_mismatch.judge(
        files, model("qwen3_vl", **NESTED), packages(transformers="5.23.0")
    )
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["not_tied_on"] == ["4.57.6"]
    both = whole(tensors=HEADLESS, tie_word_embeddings=Tied(top=True, text_config=True))
    judgement = output_head_mismatch.judge(
        both, model("qwen3_vl", **NESTED), packages(transformers="5.23.0")
    )
    assert judgement.evidence["not_tied_on"] == []


def test_both_matrices_and_tied(whole: Any, model: Any, packages: Any) -> None:
    files = whole(tie_word_embeddings=Tied(top=True))
    old = output_head_mismatch.judge(files, model(), packages(transformers="4.57.1"))
    new = output_head_mismatch.judge(files, model(), packages(transformers="5.23.0"))
    assert (old.outcome, new.outcome) == (Outcome.INCONCLUSIVE, Outcome.PASS)


def test_unknown_names_or_release_block(whole: Any, model: Any, packages: Any) -> None:
    cut_off = whole(
        tensors=HEADLESS,
        shards=(Shard(name="model.safetensors", verdict="truncated"),),
        index=Index(name="model.safetensors.index.json", state="missing"),
    )
    some = packages(transformers="5.23.0")
    for files, installed in (
        (cut_off, some),
        (whole(tensors={"count": 0}), some),
        (whole(tensors={**HEADLESS, "embeddings": Examples()}), some),
        (whole(), packages()),
    ):
        assert output_head_mismatch.judge(files, model(), installed).outcome is Outcome.BLOCKED
