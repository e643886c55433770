"""The probes in environments made by hand, and on the reference stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

import qvl_checks
from qvl_checks.video.processor_facts import VIDEO_PROCESSOR, VideoProcessorFacts
from qvl_checks.video.processor_probe import SECONDS
from qvl_checks.video.reader_choice import choose
from qvl_checks.video.readers_probe import described, offers_read_video
from qvl_doctor.facts import ProbeStatus

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}

FINDS = "def is_torchcodec_available():\n    return find_spec('torchcodec') is not None\n"
IMPORTS = """
def is_torchcodec_available():
    try:
        from torchcodec.decoders import VideoDecoder
        return True
    except Exception:
        return False
"""
CHOICE = """
def get_video_reader_backend():
    if FORCED is not None:
        backend = FORCED
    elif is_torchcodec_available():
        backend = "torchcodec"
    elif is_decord_available():
        backend = "decord"
    else:
        backend = "torchvision"
    return backend

def process_vision_info(conversations, return_video_kwargs=False, image_patch_size=14):
    pass
"""
BEFORE = "from .video import read_video, write_video\nfrom .image import read_image\n"
SINCE = """
try:
    from private.vision.io.video import read_video
except ImportError:
    pass
from .image import read_image
"""


def test_the_source_of_qwen_vl_utils() -> None:
    found = described(FINDS + CHOICE)
    assert found["order"] == ["torchcodec", "decord"]
    assert found["parameters"] == ["conversations", "return_video_kwargs", "image_patch_size"]
    assert found["loads_torchcodec_to_choose"] is False
    assert described(IMPORTS + CHOICE)["loads_torchcodec_to_choose"] is True
    assert described("x = 1")["parameters"] is None


def test_read_video_of_its_own_package_only() -> None:
    assert offers_read_video(BEFORE)
    assert not offers_read_video(SINCE)


def test_an_empty_environment(environment: Any) -> None:
    found = environment.readers()
    assert not found.qwen_vl_utils.installed and found.torchvision_reads_videos is None
    assert not any(reader.installed for reader in found.readers.values())


def test_a_reader_that_does_not_load(environment: Any) -> None:
    environment.install("torchcodec", "0.17.0", decoders="raise OSError('libavutil.so')\n")
    environment.install("decord", "0.6.0")
    environment.install("torchvision", "0.28.0", io__init=SINCE)
    environment.install("qwen-vl-utils", "0.0.14", vision_process=FINDS + CHOICE)
    found = environment.readers()
    assert found.readers["torchcodec"].status == "raised"
    assert "libavutil" in found.readers["torchcodec"].reason
    assert found.readers["decord"].status == "ok" and found.readers["decord"].version == "0.6.0"
    assert found.torchvision_reads_videos is False and found.torchvision == "0.28.0"
    assert choose(found).used == "torchvision"
    quick = environment.readers("quick")
    assert quick.readers["torchcodec"].status == "" and choose(quick).used == "torchcodec"
    forced = environment.readers("quick", FORCE_QWENVL_VIDEO_READER="decord")
    assert forced.forced == "decord" and choose(forced).used == "decord"


def test_a_reader_that_kills_its_process(environment: Any) -> None:
    environment.install("decord", "0.6.0", init="import os\nos.abort()\n")
    reader = environment.readers().readers["decord"]
    assert reader.status == "crashed" and "SIGABRT" in reader.reason


def test_sources_that_cannot_be_parsed(environment: Any) -> None:
    environment.install("qwen-vl-utils", "0.0.14", vision_process="def (:\n")
    environment.install("torchvision", "0.28.0", io__init="from (\n")
    found = environment.readers("quick")
    assert "SyntaxError" in found.qwen_vl_utils.reason
    assert found.qwen_vl_utils.accepts("conversations") is None
    assert "SyntaxError" in found.unread["torchvision_reads_videos"]


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_the_video_processor_of_the_reference_stack(family: str, shared_agent: SharedAgent) -> None:
    """With torchvision the processor is made and its prompt measured; without, the reason says so:
    both are what a program that loads it gets."""
    with_torchvision = shared_agent.import_module("torchvision").status is ProbeStatus.OK
    request = {"level": "standard", "model": {"model_type": family}}
    record = shared_agent.run(VIDEO_PROCESSOR.entry, request, VIDEO_PROCESSOR.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    found = msgspec.convert(record.data, VideoProcessorFacts)
    assert found.separate is True and found.made is not None
    if not with_torchvision:
        assert found.made.status == "raised" and "Torchvision" in found.made.reason
        return
    assert found.made.status == "ok" and found.made.class_name.endswith("VideoProcessor")
    assert (found.prompt is not None) == (family == "qwen3_vl")
    if found.prompt is not None:
        assert found.prompt.status == "ok", found.prompt.reason
        assert found.prompt.blocks == len(found.prompt.times) == 4
        assert found.prompt.times != found.prompt.times_without_metadata


def test_time_stamps_are_read() -> None:
    assert SECONDS.findall("<0.2 seconds><|vision_start|><12.0 seconds>") == ["0.2", "12.0"]
