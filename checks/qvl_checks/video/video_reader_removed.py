"""The only video reader left is torchvision, and this torchvision reads no videos any more."""

from __future__ import annotations

from qvl_checks.video.reader_choice import LAST_RESORT, choose, summary
from qvl_checks.video.readers_facts import ReadersFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed


@check("video.video-reader-removed")
def video_reader_removed(readers: ReadersFacts, target: TargetFacts) -> Judgement:
    """Follows the choice of qwen-vl-utils to its end."""
    if not readers.qwen_vl_utils.installed:
        return not_applicable("qwen-vl-utils, which chooses among video readers, is not installed")
    choice, evidence = choose(readers), summary(readers)
    if choice.used != LAST_RESORT:
        reader = readers.readers[choice.used]
        if not reader.status and not readers.torchvision_reads_videos:
            return not_applicable(
                f"whether {choice.used}, which is installed, loads is tested from --level standard "
                "on",
                evidence=evidence,
            )
        return passed(
            f"Videos are read with {choice.used} {reader.version or ''}".rstrip()
            + ", not with torchvision",
            confidence=Confidence.MEASURED if reader.status == "ok" else Confidence.DERIVED,
            evidence=evidence,
        )
    if readers.torchvision is None:
        return not_applicable(
            "torchvision is not installed, so qwen-vl-utils cannot be imported at all",
            evidence=evidence,
        )
    if readers.torchvision_reads_videos is None:
        reason = readers.unread.get("torchvision_reads_videos", "its source was not found")
        return inconclusive(f"whether torchvision reads videos is not known: {reason}")
    if readers.torchvision_reads_videos:
        return passed(
            f"torchvision {readers.torchvision} still reads videos",
            "It is slow, and the function is removed in 0.26: install torchcodec before upgrading.",
            evidence=evidence,
        )
    because = "".join(
        f" {name} is installed and does not load: {reason[:160]}."
        for name, reason in choice.broken.items()
        if name in (*readers.qwen_vl_utils.order, choice.chosen)
    )
    return failed(
        f"Nothing here can read a video file: torchvision {readers.torchvision} no longer does",
        "qwen-vl-utils falls back to torchvision.io.read_video, which was removed in 0.26."
        + because,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("torchcodec"),
                summary="installs the reader that replaces it; take the release that belongs to "
                "your torch, and FFmpeg's libraries with it",
            ),
            Fix.advise(
                "Decode the video yourself and pass the frames with their rate: "
                '{"type": "video", "video": frames, "sample_fps": 2.0}. Images are not concerned.'
            ),
        ],
    )
