"""torchvision's video reader."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Call, SetEnvironment
from ..flow.values import literal
from ..rule import Report, Rule

RULE = Rule("video.video-reader-removed", "torchvision is giving up its video reader.")


def check(program: Program) -> Iterator[Report]:
    """torchvision.io.read_video, called or forced."""
    for event in program.of(SetEnvironment):
        if event.key == "FORCE_QWENVL_VIDEO_READER" and literal(event.value) == "torchvision":
            yield _report(event.site)
    for call in program.of(Call):
        if call.name == "torchvision.io.read_video" and program.related(call.site.module):
            yield _report(call.site)


def _report(site) -> Report:  # type: ignore[no-untyped-def]
    return RULE.at(
        site,
        "info",
        "torchvision deprecated its video reader in 0.22 and newer releases do not have it.",
        "Use torchcodec: FORCE_QWENVL_VIDEO_READER=torchcodec.",
    )
