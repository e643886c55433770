"""Which template a release reads, and whether images have a place in it."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.chat_template_missing import chat_template_missing
from qvl_checks.checkpoint.files_facts import (
    Adapter,
    ChatTemplate,
    Settings,
)
from qvl_doctor.findings import Outcome

JSON, JINJA = "chat_template.json", "chat_template.jinja"
TOKENIZER, MORE = "tokenizer_config.json", "additional_chat_templates/tools.jinja"
IMAGE = ("<|image_pad|>",)


def template(place: str, slots: tuple[str, ...] = IMAGE, characters: int | None = 900) -> Any:
    return ChatTemplate(place=place, slots=slots, characters=characters)


@pytest.fixture
def judged(whole: Any, model: Any, packages: Any) -> Any:
    def judge(release: str, *templates: ChatTemplate, **changes: Any) -> Any:
        files = whole(chat_templates=templates, **changes)
        return chat_template_missing.judge(files, model(), packages(transformers=release))

    return judge


@pytest.mark.parametrize(
    ("release", "place"),
    [("4.45.2", JSON), ("4.49.0", JINJA), ("4.57.1", JSON), ("5.23.0", JINJA)],
)
def test_a_template_that_this_release_reads(judged: Any, release: str, place: str) -> None:
    judgement = judged(release, template(place))
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["read"] == place


@pytest.mark.parametrize(
    ("release", "templates"),
    [
        ("5.23.0", ()),
        ("5.23.0", (template(TOKENIZER),)),
        ("4.46.3", (template(JINJA),)),
    ],
)
def test_none_that_it_reads(judged: Any, release: str, templates: Any) -> None:
    judgement = judged(release, *templates)
    assert judgement.outcome is Outcome.FAIL
    assert "finds no chat template" in judgement.title


def test_the_jinja_is_rewritten_for_a_release_that_cannot_read_it(judged: Any) -> None:
    fix = judged("4.46.3", template(JINJA)).fixes[0]
    compile(fix.code, "fix", "exec")
    assert JSON in fix.code


def test_a_template_without_an_image_slot_drops_images(judged: Any) -> None:
    judgement = judged("5.23.0", template(JINJA, slots=()))
    assert judgement.outcome is Outcome.FAIL
    assert "no place for images" in judgement.title


def test_the_old_file_wins_from_4_52_on(judged: Any) -> None:
    good, bad = template(JINJA), template(JSON, slots=())
    assert judged("4.51.3", good, bad).outcome is Outcome.PASS
    assert judged("4.52.4", good, bad).outcome is Outcome.FAIL


def test_the_old_file_refuses_additional_templates(judged: Any) -> None:
    files = (template(JSON), template(MORE))
    judgement = judged("5.23.0", *files)
    assert judgement.outcome is Outcome.FAIL
    compile(judgement.fixes[0].code, "fix", "exec")
    assert judged("4.49.0", *files).outcome is Outcome.PASS
    assert judged("5.23.0", template(JINJA), template(MORE)).outcome is Outcome.PASS


@pytest.mark.parametrize("characters", [None, 0])
def test_an_unreadable_or_empty_template(judged: Any, characters: int | None) -> None:
    assert judged("5.23.0", template(JSON, (), characters)).outcome is Outcome.FAIL


def test_a_template_inside_the_processor_config(judged: Any) -> None:
    for text, outcome in (("{{ '<|image_pad|>' }}", Outcome.PASS), ("{{ x }}", Outcome.FAIL)):
        value = {"chat_template": text}
        settings = {"processor_config.json": Settings(state="read", value=value)}
        assert judged("5.23.0", settings=settings).outcome is outcome


def test_where_it_does_not_apply(whole: Any, no_folder: Any, model: Any, packages: Any) -> None:
    some = packages(transformers="5.23.0")
    adapter = whole(adapter=Adapter(count=8), tensors={"count": 0}, chat_templates=())
    for files, which in ((no_folder, model()), (whole(), model("qwen")), (adapter, model())):
        outcome = chat_template_missing.judge(files, which, some).outcome
        assert outcome is Outcome.NOT_APPLICABLE
    outcome = chat_template_missing.judge(whole(), model(), packages()).outcome
    assert outcome is Outcome.BLOCKED
