"""Video inputs without their frame times."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Drop, Encode, Run, VisionInfo
from ..flow.values import Const, DictItem, ObjectItem, Value, is_absent, literal, objects
from ..pixels import contents, kind_of
from ..rule import Report, Rule

RULE = Rule("video.frame-times-dropped", "The model does not get the times of the video's frames.")
TIMES = "second_per_grid_ts"


def check(program: Program) -> Iterator[Report]:
    """Calls that name the video tensors one by one, dropped keys, and a frame rate that is not
    passed on.
    """
    for run in program.of(Run):
        keywords = run.keywords
        families = program.model_families(run.model)
        if "qwen2_5_vl" not in families or keywords.open or run.spreads:
            continue
        if "video_grid_thw" in keywords.entries and TIMES not in keywords.entries:
            yield RULE.at(
                run.site,
                "warning",
                f"The video tensors are passed one by one and {TIMES} is not among them, so the"
                " model gets wrong times.",
                f"Pass {TIMES}=inputs.{TIMES}, or **inputs.",
            )
    for drop in program.of(Drop):
        if drop.key == TIMES and drop.what is not None:
            encode: Encode = drop.what.data
            fed = {program.model_families(run.model) for run in program.consumers(encode)}
            families = program.processor_families(encode.processor)
            if {"qwen2_5_vl"} in (families, *fed):
                yield RULE.at(
                    drop.site,
                    "warning",
                    f"Without {TIMES} the model gets wrong times for the video's frames.",
                    f"Keep {TIMES} in the inputs.",
                )
    for encode in program.of(Encode):
        yield from _frame_rate(program, encode)


def _frame_rate(program: Program, encode: Encode) -> Iterator[Report]:
    """Qwen2.5-VL's processor assumes 2 frames per second unless it is told."""
    if program.processor_families(encode.processor) != {"qwen2_5_vl"} or encode.template:
        return
    call = _vision_info(encode.keywords.get("videos", encode.path))
    keywords = encode.keywords
    if any(objects(value, "vision_video_kwargs") for value in keywords.spreads):
        return
    if call is None or keywords.open or {"fps", "videos_kwargs"} & set(keywords.entries):
        return
    entries = [c for c in contents(call.messages) if kind_of(c) == "video"]
    if not entries:
        return
    rates = {_rate(content) for content in entries}
    asked = literal(call.keywords.get("return_video_kwargs", call.path)) is True
    if rates == {2.0} and not asked:
        return
    yield RULE.at(
        encode.site,
        "warning" if None not in rates and rates != {2.0} else "info",
        "The frame rate of the video is not passed to the processor, which assumes 2 frames per"
        " second and computes wrong times.",
        "Use process_vision_info(..., return_video_kwargs=True) and pass **video_kwargs to the"
        " processor.",
    )


def _rate(content: DictItem) -> float | None:
    value = content.get("fps")
    if is_absent(value):
        return 2.0 if not content.open and "nframes" not in content.entries else None
    known = literal(value)
    return float(known) if isinstance(known, (int, float)) else None


def _vision_info(value: Value) -> VisionInfo | None:
    for alt in value:
        if isinstance(alt.item, ObjectItem) and isinstance(alt.item.data, VisionInfo):
            return alt.item.data
        if isinstance(alt.item, Const):
            continue
    return None
