"""Facts about the installed video readers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Probe


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """One library that decodes videos."""

    installed: bool
    version: str | None = None
    status: str = ""
    """What importing it did: ``ok``, ``raised``, ``crashed``, ``timed_out``; empty: not tried."""
    reason: str = ""


class QwenVlUtils(msgspec.Struct, frozen=True, kw_only=True):
    """The installed qwen-vl-utils, as its source says."""

    installed: bool
    version: str | None = None
    parameters: tuple[str, ...] | None = None
    """Of ``process_vision_info``; None: not recognised."""
    order: tuple[str, ...] = ()
    """Readers that it looks for, first choice first; torchvision is what remains."""
    loads_torchcodec_to_choose: bool = False
    """It tries to import torchcodec before it chooses it; else being installed is enough."""
    reason: str = ""

    def accepts(self, parameter: str) -> bool | None:
        """Whether ``process_vision_info`` has the parameter; None: not known."""
        return None if self.parameters is None else parameter in self.parameters


class ReadersFacts(Facts):
    """Nothing is imported at the quick level."""

    probe: ClassVar[str] = "video.readers"
    readers: dict[str, Reader] = {}
    torchvision: str | None = None
    torchvision_reads_videos: bool | None = None
    """``torchvision.io.read_video`` exists; None: torchvision is missing, or not readable."""
    forced: str | None = None
    """``FORCE_QWENVL_VIDEO_READER``."""
    ffmpeg_libraries: dict[str, str | None] | None = None
    ffmpeg_program: str | None = None
    qwen_vl_utils: QwenVlUtils = QwenVlUtils(installed=False)
    unread: dict[str, str] = {}


VIDEO_READERS = Probe(
    id="video.readers",
    title="looks for video readers",
    facts=ReadersFacts,
    entry="qvl_checks.video.readers_probe:run",
    budget_s=90,
)
