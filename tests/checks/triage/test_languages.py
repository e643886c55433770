"""Answers in Chinese: complete, with the same numbers, and chosen by the language of the text."""

from __future__ import annotations

import re

import pytest
from tests.checks.triage.cases import Case, load, missing_facts

from qvl_checks.triage import chinese
from qvl_checks.triage.advice import ADVICE
from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.language import language_of
from qvl_checks.triage.model import Diagnosis, Fix
from qvl_checks.triage.rules import RULES

CASES = [case for case in load() if case.expect]
FACTS = [case for case in CASES if case.must]
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_HAN = re.compile(r"[㐀-鿿]")
#: Seven words in a row are an English sentence, not a name, a message or a path.
_ENGLISH = re.compile(r"(?:\b[A-Za-z]{2,}[,;]? ){7}")


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(text))


def _words(fix: Fix) -> str:
    return fix.text if fix.kind == "advice" else fix.note


@pytest.mark.parametrize("cause", sorted(ADVICE))
def test_every_cause_has_a_chinese_answer_with_the_same_numbers(cause: str) -> None:
    known = ADVICE[cause]
    said = chinese.advice(cause, known)
    assert _HAN.search(said.explanation)
    assert _numbers(known.explanation) <= _numbers(said.explanation)
    assert len(said.next_steps) == len(known.next_steps)
    for english, translated in zip(known.fixes, said.fixes, strict=True):
        assert (translated.kind, translated.safety) == (english.kind, english.safety)
        if english.kind != "advice":
            assert translated.text == english.text
        assert bool(_words(english)) == bool(_words(translated))
        assert _numbers(_words(english)) <= _numbers(_words(translated))


def test_no_translation_is_of_an_unknown_cause() -> None:
    assert set(chinese.translations()) == set(ADVICE)


@pytest.mark.parametrize("note", sorted({rule.note for rule in RULES if rule.note}))
def test_every_note_of_a_rule_is_translated(note: str) -> None:
    assert _HAN.search(chinese.note(note))


def test_a_note_that_no_pattern_knows_stays() -> None:
    assert chinese.note("Something new.") == "Something new."


def _prose(diagnosis: Diagnosis) -> list[str]:
    told = [text for fix in diagnosis.fixes for text in (_words(fix), fix.note) if text]
    return [diagnosis.explanation, *told]


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.name)
def test_a_chinese_answer_has_no_english_sentence(case: Case) -> None:
    for diagnosis in diagnose(case.text, language="zh").diagnoses:
        for text in _prose(diagnosis):
            assert not _ENGLISH.search(text), text


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("case", FACTS, ids=lambda case: case.name)
def test_facts_are_stated_in_both_languages(case: Case, language: str) -> None:
    assert missing_facts(case, diagnose(case.text, language=language)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Qwen2-VL 输出乱码", "zh"),
        ("Qwen2-VL prints garbage", "en"),
        ("", "en"),
        (
            "请问这个怎么解决？\nTraceback (most recent call last):\n"
            '  File "/home/u/run.py", line 3, in <module>\n    import x\n'
            "ImportError: cannot import name 'Qwen2VLForConditionalGeneration' from 'transformers'",
            "zh",
        ),
        ('File "/mnt/张伟/run.py", line 3\nValueError: nothing works here, why is that so', "en"),
        ("yes " * 20_000 + "为什么显存会不断增长？", "en"),
    ],
)
def test_the_answer_is_in_the_language_of_the_text(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_language_can_be_chosen() -> None:
    text = "ImportError: cannot import name 'Qwen3VLForConditionalGeneration' from 'transformers'"
    assert not _HAN.search(diagnose(text).diagnoses[0].explanation)
    assert _HAN.search(diagnose(text, language="zh").diagnoses[0].explanation)
