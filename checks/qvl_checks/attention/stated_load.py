"""Which runs of the small model stand for the load that the user stated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qvl_checks.attention.behaviour_cases import NEEDS
from qvl_checks.attention.behaviour_facts import CaseRun
from qvl_doctor.facts import ModelFacts, WorkloadFacts

STATE_IT = (
    "What prompts hold was not stated. Say so (--image, --video, --batch), and only what they hold "
    "counts."
)


def concerned(
    cases: Iterable[CaseRun], workload: WorkloadFacts, model: ModelFacts
) -> list[CaseRun]:
    """The runs that the load can meet; all of them, if it was not stated."""
    found = list(cases)
    if not workload.stated:
        return found
    return [
        case
        for case in found
        if (case.path == "forward") is (workload.mode == "forward")
        and meets(case.name, workload, model)
    ]


def meets(name: str, workload: WorkloadFacts, model: ModelFacts) -> bool:
    """Whether the load holds what this run of the small model is about."""
    return not workload.stated or all(
        CONDITIONS[need](workload, model) for need in NEEDS.get(name, ())
    )


def told(workload: WorkloadFacts) -> str:
    """The load as a condition: "1 image, 2 prompts at a time"."""
    parts = [
        f"{number} {kind}{'s' if number > 1 else ''}"
        for number, kind in ((len(workload.images), "image"), (len(workload.videos), "video"))
        if number
    ]
    together = "one prompt" if workload.batch == 1 else f"{workload.batch} prompts"
    return f"{' and '.join(parts) or 'text only'}, {together} at a time"


def _outlasts_its_frames(workload: WorkloadFacts, model: ModelFacts) -> bool:
    """Whether the time indices of a video go beyond those of its rows and columns."""
    return any(
        _outlasts(size, model.config.get("vision_config") or {}, model) for size in workload.videos
    )


def _outlasts(size: tuple[int, int, int], vision: dict[str, Any], model: ModelFacts) -> bool:
    """One second between two steps in time, as at the 2 frames per second that processors take;
    only Qwen2.5-VL counts seconds."""
    width, height, frames = size
    unit = int(vision.get("patch_size", 14)) * int(vision.get("spatial_merge_size", 2))
    steps = -(-frames // int(vision.get("temporal_patch_size", 2)))
    rate = vision.get("tokens_per_second", 2) if model.model_type == "qwen2_5_vl" else 1
    return (steps - 1) * float(rate) >= max(round(height / unit), round(width / unit))


CONDITIONS: dict[str, Callable[[WorkloadFacts, ModelFacts], bool]] = {
    "image": lambda workload, model: bool(workload.images),
    "video": lambda workload, model: bool(workload.videos),
    "long video": _outlasts_its_frames,
    "batch": lambda workload, model: workload.batch > 1,
}
"""What `NEEDS` asks for; the seconds between frames are not stated, so any video may have them."""
