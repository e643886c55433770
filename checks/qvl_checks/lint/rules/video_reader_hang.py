"""decord as the video reader."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode, Import, SetEnvironment, VisionInfo
from ..flow.values import literal
from ..pixels import contents, kind_of
from ..rule import Report, Rule

RULE = Rule("video.video-reader-hang", "decord can hang while it decodes.")
FIX = "Use torchcodec: FORCE_QWENVL_VIDEO_READER=torchcodec."


def check(program: Program) -> Iterator[Report]:
    """decord forced by environment or argument."""
    for event in program.of(SetEnvironment):
        if event.key == "FORCE_QWENVL_VIDEO_READER" and literal(event.value) == "decord":
            yield RULE.at(
                event.site,
                "info",
                "decord is no longer maintained and can hang while it decodes.",
                FIX,
            )
    for encode in program.of(Encode):
        for key in ("video_reader_backend", "video_load_backend"):
            if literal(encode.keywords.get(key, encode.path)) == "decord":
                yield RULE.at(
                    encode.keywords.keys.get(key, encode.site),
                    "info",
                    "decord is no longer maintained and can hang.",
                    FIX,
                )
    for name in program.of(Import):
        if name.name.partition(".")[0] != "decord" or not program.related(name.site.module):
            continue
        used = any(
            kind_of(c) == "video"
            for call in program.nearby(name, VisionInfo)
            for c in contents(call.messages)
        )
        if used:
            yield RULE.at(
                name.site,
                "info",
                "With decord installed, qwen-vl-utils may choose it, and it can hang.",
                FIX,
            )
            return
