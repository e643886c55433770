"""Anything may be pasted: no crash, no long run, no cause invented from noise."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.checks.triage.cases import load

from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.model import Triage
from qvl_checks.triage.reading import decode
from qvl_checks.triage.rule import THRESHOLD, Case, apply
from qvl_checks.triage.rules import RULES

TEXTS = [case.text for case in load()]
BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MEGA = 5_000_000


def timed(text: str) -> tuple[Triage, float]:
    """The answer and the seconds of processor time it took: other programs do not count."""
    start = time.process_time()
    triage = diagnose(text)
    return triage, time.process_time() - start


@BOUNDED
@given(st.text(max_size=4000))
def test_any_text(text: str) -> None:
    triage = diagnose(text)
    assert triage.recognised == bool(triage.diagnoses)


@BOUNDED
@given(st.binary(max_size=4000))
def test_any_bytes(data: bytes) -> None:
    diagnose(decode(data))


@BOUNDED
@given(st.sampled_from(TEXTS), st.text(max_size=200), st.integers(0, 2000))
def test_text_torn_into_a_case(text: str, junk: str, at: int) -> None:
    at = min(at, len(text))
    triage = diagnose(text[:at] + junk + text[at:])
    for diagnosis in triage.diagnoses:
        assert diagnosis.explanation
        assert diagnosis.fixes


@BOUNDED
@given(st.lists(st.sampled_from(TEXTS), min_size=2, max_size=6))
def test_several_cases_in_one_paste(texts: list[str]) -> None:
    assert len(diagnose("\n\n".join(texts)).diagnoses) <= 5


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "!",
        "\n",
        "x\r",
        "\x1b[31m",
        "\x1b]",
        "显存",
        "\ufdfa",
        "\0",
        "&lt;",
        "[",
        "1",
        "'",
        "memory ",
        "qwen2-vl eager oom ",
        "cannot import name 'qwen ",
        "tried to allocate ",
        "the checkpoint you are trying to load has model type ",
        "flash-attn ",
        "memory leak slow the the\n",
        "tried to allocate 1.1 GiB qwen2-vl\n",
        "undefined symbol: _Z flash_attn_2_cuda.so ",
    ],
    ids=repr,
)
def test_a_unit_repeated_for_megabytes(unit: str) -> None:
    _, seconds = timed(unit * (MEGA // len(unit)))
    assert seconds < 3, "far above the usual 0.2 s: some step is not linear"


def test_five_megabytes_of_log_with_an_error_at_its_end() -> None:
    log = "\n".join(
        f"2025-06-01 00:00:{i % 60:02} INFO step {i} loss 0.{i}" for i in range(120_000)
    )
    end = (
        "\nImportError: cannot import name 'Qwen3VLForConditionalGeneration' from "
        "'transformers' (/x/__init__.py)\n"
    )
    triage, seconds = timed(log + end)
    assert triage.diagnoses[0].id == "versions.model-class-missing"
    assert triage.diagnoses[0].evidence[0].startswith("line 120001:")
    assert seconds < 2, "the aim is one second on a free machine"


def test_an_error_in_the_middle_of_megabytes_is_found() -> None:
    log = "\n".join(f"step {i} loss 0.{i}" for i in range(100_000))
    triage = diagnose(log + "\nRuntimeError: operator torchvision::nms does not exist\n" + log)
    assert triage.diagnoses[0].id == "versions.torchvision-mismatch"
    assert triage.diagnoses[0].evidence[0].startswith("line 100001:")


def test_deep_nesting() -> None:
    assert not diagnose("[" * 200_000 + "]" * 200_000).recognised


def test_mixed_encodings_are_read() -> None:
    text = "Qwen2-VL 显存不足：没有装 flash-attn，一张大图就 OOM"
    assert decode(text.encode("gb18030")) == text
    assert decode(text.encode("utf-16")) == text
    assert decode(b"\xff\xff" + text.encode())


def test_rules_score_at_or_above_the_threshold() -> None:
    """A rule below it could never speak."""
    assert [rule.id for rule in RULES if rule.score < THRESHOLD] == []


def test_no_rule_fires_on_nothing() -> None:
    from qvl_checks.triage.clues import Clues
    from qvl_checks.triage.page import Page

    case = Case(Clues(Page("")))
    assert [rule.id for rule in RULES if apply(rule, case)] == []
