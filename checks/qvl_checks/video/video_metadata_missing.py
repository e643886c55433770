"""The installed qwen-vl-utils cannot hand on when the frames of a video were taken."""

from __future__ import annotations

from qvl_checks.video.processor_facts import VideoProcessorFacts
from qvl_checks.video.readers_facts import ReadersFacts
from qvl_checks.video.stamped import STAMPED
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

PARAMETER = "return_video_metadata"
UTILS = "qwen-vl-utils>=0.0.13"
"""The first release with the parameter; read in the wheels 0.0.8 to 0.0.14."""
CALL = """\
images, videos, video_kwargs = process_vision_info(
    messages, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True
)
videos, video_metadata = map(list, zip(*videos))
inputs = processor(text=[text], images=images, videos=videos, video_metadata=video_metadata,
                   do_resize=False, return_tensors="pt", **video_kwargs)"""


@check("video.video-metadata-missing")
def video_metadata_missing(
    readers: ReadersFacts,
    model: ModelFacts,
    target: TargetFacts,
    processor: VideoProcessorFacts | None,
) -> Judgement:
    """Whether ``process_vision_info`` can return the metadata that the prompt is written from."""
    if model.model_type not in STAMPED:
        return not_applicable(f"{model.family or model.name} writes no times into the prompt")
    utils = readers.qwen_vl_utils
    if not utils.installed:
        return not_applicable("qwen-vl-utils is not installed; transformers keeps what it reads")
    accepts = utils.accepts(PARAMETER)
    prompt = processor.prompt if processor else None
    evidence: dict[str, object] = {
        "qwen_vl_utils": utils.version,
        "process_vision_info": utils.parameters,
    }
    if prompt and prompt.status == "ok":
        evidence["seconds_with_metadata"] = prompt.times
        evidence["seconds_without_metadata"] = prompt.times_without_metadata
    if accepts is None:
        return inconclusive(
            f"the parameters of process_vision_info are not known: {utils.reason}",
            evidence=evidence,
        )
    if accepts:
        return passed(
            f"qwen-vl-utils {utils.version} can hand on the times of the frames",
            "It does so only when asked: return_video_metadata=True.",
            evidence=evidence,
        )
    measured = bool(prompt and prompt.times and prompt.times != prompt.times_without_metadata)
    shown = (
        f" Measured here: frames at {_list(prompt.times)} s are written as "
        f"{_list(prompt.times_without_metadata)} s."
        if prompt and measured and prompt.times_without_metadata
        else ""
    )
    return failed(
        f"qwen-vl-utils {utils.version} loses the times of video frames",
        "process_vision_info has no parameter return_video_metadata, so the processor assumes 24 "
        "frames per second, writes wrong times into the prompt and drops frames." + shown,
        confidence=Confidence.MEASURED if measured else Confidence.DERIVED,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("--upgrade", UTILS),
                summary="installs a release that can return the metadata",
            ),
            Fix.edit(CALL, summary="asks for the metadata and passes it on"),
        ],
    )


def _list(times: tuple[float, ...]) -> str:
    return ", ".join(f"{time:g}" for time in times)
