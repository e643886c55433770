"""Qwen3-VL videos without their metadata."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode, VisionInfo
from ..flow.values import ListItem, items_of, literal
from ..knowledge import QWEN3
from ..pixels import contents, kind_of
from ..rule import Report, Rule
from .frame_times_dropped import _vision_info as vision_info

RULE = Rule(
    "video.video-metadata-missing", "Qwen3-VL needs the video's metadata for its timestamps."
)


def check(program: Program) -> Iterator[Report]:
    """Processor calls that get sampled frames and no video_metadata."""
    for encode in program.of(Encode):
        families = program.processor_families(encode.processor)
        if not families or not families <= QWEN3 or encode.template:
            continue
        if "videos" not in encode.keywords.entries or encode.keywords.open or _has_metadata(encode):
            continue
        call = vision_info(encode.keywords.get("videos", encode.path))
        if call is None:
            call = _only_call(program, encode)
        if call is None:
            continue
        videos = [c for c in contents(call.messages) if kind_of(c) == "video"]
        if not videos:
            continue
        frames = any(items_of(content.get("video"), ListItem) for content in videos)
        yield RULE.at(
            encode.site,
            "info" if frames else "warning",
            "Qwen3-VL gets no video_metadata here, assumes 24 frames per second and writes wrong"
            " timestamps.",
            "Call process_vision_info(..., return_video_kwargs=True, return_video_metadata=True)"
            " and pass video_metadata= and **video_kwargs.",
        )


def _has_metadata(encode: Encode) -> bool:
    given = encode.keywords.entries
    return (
        "video_metadata" in given and literal(given["video_metadata"], 0) is not None
    ) or "videos_kwargs" in given


def _only_call(program: Program, encode: Encode) -> VisionInfo | None:
    """The file's one process_vision_info call, when the videos were unpacked beyond recognition."""
    calls = program.nearby(encode, VisionInfo)
    if len(calls) != 1 or literal(calls[0].keywords.get("return_video_metadata")) is True:
        return None
    return calls[0]
