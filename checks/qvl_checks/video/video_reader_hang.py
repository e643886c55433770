"""Videos would be decoded with decord, which can wait for ever."""

from __future__ import annotations

from qvl_checks.video.reader_choice import choose, summary
from qvl_checks.video.readers_facts import ReadersFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

CHOOSES_TORCHCODEC = "qwen-vl-utils>=0.0.13"


@check("video.video-reader-hang")
def video_reader_hang(readers: ReadersFacts, target: TargetFacts) -> Judgement:
    """Whether decord is what the installed qwen-vl-utils takes."""
    if not readers.qwen_vl_utils.installed:
        return not_applicable("qwen-vl-utils, which chooses among video readers, is not installed")
    choice, evidence = choose(readers), summary(readers)
    if choice.used != "decord":
        return passed(f"Videos are not read with decord but with {choice.used}", evidence=evidence)
    why = (
        "FORCE_QWENVL_VIDEO_READER=decord asks for it"
        if readers.forced == "decord"
        else "it is the first reader found in the order "
        + ", ".join((*readers.qwen_vl_utils.order, "torchvision"))
    )
    return failed(
        "Videos are read with decord, which hangs on some files",
        f"{why}. decord is no longer maintained, and on certain files it waits without an error; "
        "the fallback to another reader needs an error.",
        confidence=Confidence.REPORTED,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("--upgrade", CHOOSES_TORCHCODEC, "torchcodec"),
                summary="installs torchcodec, which is then preferred; it needs FFmpeg's libraries",
            ),
            Fix.environment(
                "FORCE_QWENVL_VIDEO_READER=torchcodec",
                summary="chooses torchcodec once it is installed",
                safety=Safety.SAFE,
            ),
        ],
    )
