"""Facts about the video processor of the examined model's family."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What AutoVideoProcessor did with a folder that names the class."""

    status: str
    """``ok``, ``raised``, ``crashed`` or ``timed_out``."""
    class_name: str = ""
    reason: str = ""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt of eight frames, sampled at 2 per second, as the processor writes it."""

    status: str
    text: str = ""
    """Runs of visual tokens are shortened to one."""
    blocks: int | None = None
    """Time steps of ``video_grid_thw``: so many blocks of frames there are."""
    vision_starts: int | None = None
    vision_ends: int | None = None
    times: tuple[float, ...] = ()
    """Seconds written before the blocks, with metadata."""
    times_without_metadata: tuple[float, ...] | None = None
    without_metadata: str = ""
    """The error without metadata, if it is one."""
    reason: str = ""


class VideoProcessorFacts(Facts):
    """Measured with settings, frames and a tokenizer of the doctor's own."""

    probe: ClassVar[str] = "video.processor"
    transformers: str = ""
    family: str = ""
    separate: bool | None = None
    """There are video processors of their own (4.52 and later); None: not looked at."""
    class_name: str | None = None
    """What the release maps the family to; None: nothing."""
    made: Made | None = None
    prompt: Prompt | None = None
    """None: not measured at this level, or a family without time stamps."""
    reason: str = ""


VIDEO_PROCESSOR = Probe(
    id="video.processor",
    title="makes the video processor",
    facts=VideoProcessorFacts,
    entry="qvl_checks.video.processor_probe:run",
    budget_s=60,
    imports=("torch", "transformers"),
    inputs=("versions.torchvision",),
)
