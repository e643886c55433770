"""Every video rule fires on facts that show its failure and is silent on those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.video.frame_times_dropped import frame_times_dropped
from qvl_checks.video.processor_facts import Made, Prompt, VideoProcessorFacts
from qvl_checks.video.reader_choice import choose
from qvl_checks.video.readers_facts import QwenVlUtils, Reader, ReadersFacts
from qvl_checks.video.video_markers_doubled import video_markers_doubled
from qvl_checks.video.video_metadata_missing import video_metadata_missing
from qvl_checks.video.video_processor_missing import video_processor_missing
from qvl_checks.video.video_reader_hang import video_reader_hang
from qvl_checks.video.video_reader_removed import video_reader_removed
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Outcome

NEW = ("torchcodec", "decord")
OLD = ("decord",)


def readers(
    order: tuple[str, ...] = NEW,
    torchvision: bool | None = False,
    parameters: tuple[str, ...] | None = (),
    tests_first: bool = False,
    forced: str | None = None,
    **installed: str,
) -> ReadersFacts:
    """``readers(torchcodec="ok", decord="")``: readers by what importing them did."""
    found = {
        name: Reader(
            installed=name in installed,
            version="1.0" if name in installed else None,
            status=installed.get(name, ""),
            reason="OSError: libavutil" if installed.get(name) == "raised" else "",
        )
        for name in ("torchcodec", "decord", "av", "cv2")
    }
    return ReadersFacts(
        readers=found,
        torchvision=None if torchvision is None else "0.28.0",
        torchvision_reads_videos=torchvision,
        forced=forced,
        qwen_vl_utils=QwenVlUtils(
            installed=True,
            version="0.0.14",
            parameters=parameters,
            order=order,
            loads_torchcodec_to_choose=tests_first,
        ),
    )


@pytest.mark.parametrize(
    ("facts", "chosen", "used"),
    [
        (readers(), "torchvision", "torchvision"),
        (readers(decord="ok"), "decord", "decord"),
        (readers(torchcodec="ok", decord="ok"), "torchcodec", "torchcodec"),
        (readers(order=OLD, torchcodec="ok", decord="ok"), "decord", "decord"),
        # Being installed is enough for the choice; the error then leads to torchvision.
        (readers(torchcodec="raised", decord="ok"), "torchcodec", "torchvision"),
        # 0.0.11 imports torchcodec before it chooses.
        (readers(torchcodec="raised", decord="ok", tests_first=True), "decord", "decord"),
        (readers(torchcodec="ok", decord="ok", forced="decord"), "decord", "decord"),
        (readers(forced="torchcodec"), "torchcodec", "torchvision"),
    ],
)
def test_choice_of_the_reader(facts: ReadersFacts, chosen: str, used: str) -> None:
    choice = choose(facts)
    assert (choice.chosen, choice.used) == (chosen, used)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (readers(), Outcome.FAIL),
        (readers(torchvision=True), Outcome.PASS),
        (readers(torchcodec="ok"), Outcome.PASS),
        (readers(torchcodec="raised"), Outcome.FAIL),
        (readers(torchcodec="raised", torchvision=True), Outcome.PASS),
        (readers(decord="ok"), Outcome.PASS),
        # Not tried at the quick level, and nothing behind it: no verdict.
        (readers(torchcodec=""), Outcome.NOT_APPLICABLE),
        (readers(torchcodec="", torchvision=True), Outcome.PASS),
        (readers(torchvision=None), Outcome.NOT_APPLICABLE),
        (ReadersFacts(), Outcome.NOT_APPLICABLE),
    ],
)
def test_reader_removed(facts: ReadersFacts, outcome: Outcome, target: Any) -> None:
    assert video_reader_removed.judge(facts, target).outcome is outcome


def test_the_reader_that_does_not_load_is_named(target: Any) -> None:
    found = video_reader_removed.judge(readers(torchcodec="raised"), target)
    assert "torchcodec is installed and does not load" in found.cause


def test_torchvision_whose_source_cannot_be_read(target: Any) -> None:
    facts = ReadersFacts(
        torchvision="0.28.0",
        unread={"torchvision_reads_videos": "SyntaxError: x"},
        qwen_vl_utils=QwenVlUtils(installed=True),
    )
    found = video_reader_removed.judge(facts, target)
    assert found.outcome is Outcome.INCONCLUSIVE and "SyntaxError" in found.title


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (readers(decord=""), Outcome.FAIL),
        (readers(order=OLD, torchcodec="ok", decord="ok"), Outcome.FAIL),
        (readers(torchcodec="ok", decord="ok", forced="decord"), Outcome.FAIL),
        (readers(torchcodec="ok", decord="ok"), Outcome.PASS),
        (readers(), Outcome.PASS),
        (ReadersFacts(), Outcome.NOT_APPLICABLE),
    ],
)
def test_reader_hang(facts: ReadersFacts, outcome: Outcome, target: Any) -> None:
    found = video_reader_hang.judge(facts, target)
    assert found.outcome is outcome
    assert outcome is not Outcome.FAIL or found.confidence is Confidence.REPORTED


def processor(made: str = "ok", version: str = "5.23.0", **prompt: Any) -> VideoProcessorFacts:
    return VideoProcessorFacts(
        transformers=version,
        separate=True,
        made=Made(status=made, class_name="C", reason="" if made == "ok" else "ImportError: C"),
        prompt=Prompt(**{"status": "ok", **prompt}) if prompt else None,
    )


def test_processor_missing(packages: Any, qwen25: Any, target: Any) -> None:
    judge = video_processor_missing.judge
    full = packages(transformers="5.23.0", torchvision="0.28.0", torch="2.13.0")
    bare = packages(transformers="5.23.0", torch="2.13.0")
    assert judge(processor(), full, qwen25, target).outcome is Outcome.PASS
    missing = judge(processor("raised"), bare, qwen25, target)
    assert missing.outcome is Outcome.FAIL and "torchvision" in missing.title
    snapshot = judge(processor("raised", "4.52.0.dev0"), full, qwen25, target)
    assert snapshot.outcome is Outcome.FAIL and "snapshot" in snapshot.title
    unknown = judge(processor("raised"), full, qwen25, target)
    assert unknown.outcome is Outcome.INCONCLUSIVE
    old = VideoProcessorFacts(transformers="4.51.3", separate=False)
    assert judge(old, full, qwen25, target).outcome is Outcome.NOT_APPLICABLE
    untried = VideoProcessorFacts(reason="torchvision does not load: x")
    assert judge(untried, full, qwen25, target).outcome is Outcome.BLOCKED
    stranger = ModelFacts(name="llava", source="folder")
    assert judge(processor(), full, stranger, target).outcome is Outcome.NOT_APPLICABLE


def test_markers(qwen25: Any, qwen3: Any, target: Any) -> None:
    judge = video_markers_doubled.judge
    single = processor(blocks=4, vision_starts=4, vision_ends=4)
    doubled = processor(blocks=4, vision_starts=5, vision_ends=5)
    assert judge(single, qwen3, target).outcome is Outcome.PASS
    assert judge(doubled, qwen3, target).outcome is Outcome.FAIL
    assert judge(doubled, qwen25, target).outcome is Outcome.NOT_APPLICABLE
    assert judge(processor(), qwen3, target).outcome is Outcome.NOT_APPLICABLE
    assert judge(processor("raised"), qwen3, target).outcome is Outcome.BLOCKED
    broken = processor(status="raised", reason="TypeError: x")
    assert judge(broken, qwen3, target).outcome is Outcome.INCONCLUSIVE
    fewer = processor(blocks=4, vision_starts=3)
    assert judge(fewer, qwen3, target).outcome is Outcome.INCONCLUSIVE


def test_metadata(qwen25: Any, qwen3: Any, target: Any) -> None:
    judge = video_metadata_missing.judge
    without = readers(parameters=("conversations", "return_video_kwargs"))
    can = readers(parameters=("conversations", "return_video_metadata"))
    derived = judge(without, qwen3, target, None)
    assert derived.outcome is Outcome.FAIL and derived.confidence is Confidence.DERIVED
    seen = processor(times=(0.2, 1.2), times_without_metadata=(0.0, 0.1), blocks=2)
    measured = judge(without, qwen3, target, seen)
    assert measured.confidence is Confidence.MEASURED and "0.2, 1.2" in measured.cause
    assert judge(can, qwen3, target, seen).outcome is Outcome.PASS
    assert judge(without, qwen25, target, None).outcome is Outcome.NOT_APPLICABLE
    assert judge(ReadersFacts(), qwen3, target, None).outcome is Outcome.NOT_APPLICABLE
    unread = readers(parameters=None)
    assert judge(unread, qwen3, target, None).outcome is Outcome.INCONCLUSIVE


def test_frame_times(packages: Any, qwen25: Any, qwen3: Any, target: Any) -> None:
    judge = frame_times_dropped.judge
    kwargs = readers(parameters=("conversations", "return_video_kwargs"))
    neither = readers(parameters=("conversations",))
    both = readers(parameters=("conversations", "return_video_kwargs", "return_video_metadata"))
    four, five = packages(transformers="4.57.1"), packages(transformers="5.0.0")
    assert judge(kwargs, four, qwen25, target).outcome is Outcome.PASS
    assert judge(kwargs, five, qwen25, target).outcome is Outcome.FAIL
    assert judge(neither, four, qwen25, target).outcome is Outcome.FAIL
    assert judge(both, five, qwen25, target).outcome is Outcome.PASS
    assert judge(neither, four, qwen3, target).outcome is Outcome.NOT_APPLICABLE
    assert judge(neither, packages(), qwen25, target).outcome is Outcome.BLOCKED
    assert judge(ReadersFacts(), four, qwen25, target).outcome is Outcome.NOT_APPLICABLE
    unread = readers(parameters=None)
    assert judge(unread, four, qwen25, target).outcome is Outcome.INCONCLUSIVE
