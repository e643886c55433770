"""Video URLs through readers that cannot fetch them."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import SetEnvironment, VisionInfo
from ..flow.values import literal, text_of
from ..pixels import contents, kind_of, site_of
from ..rule import Report, Rule

RULE = Rule("video.video-url-unsupported", "The video reader cannot open this URL.")
READER = "FORCE_QWENVL_VIDEO_READER"


def check(program: Program) -> Iterator[Report]:
    """http(s) URLs in messages for process_vision_info."""
    for call in program.of(VisionInfo):
        reader = next(
            (literal(e.value) for e in program.nearby(call, SetEnvironment) if e.key == READER),
            None,
        )
        if reader == "torchcodec":
            continue
        for content in contents(call.messages):
            value = content.get("video")
            text = text_of(value[0].item) if len(value) == 1 else None
            if (
                kind_of(content) != "video"
                or text is None
                or not text.startswith(("http://", "https://"))
            ):
                continue
            secure = text.startswith("https://")
            if reader == "decord" and not secure:
                continue
            yield RULE.at(
                site_of(content, "video", call.site),
                "warning" if reader == "decord" else "info",
                "decord opens no https URLs, and torchvision before 0.19 opens none at all.",
                "Download the file first, or set FORCE_QWENVL_VIDEO_READER=torchcodec.",
            )
