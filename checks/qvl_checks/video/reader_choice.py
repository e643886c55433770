"""Which library would decode a video, by the rules of the installed qwen-vl-utils."""

from __future__ import annotations

import msgspec

from qvl_checks.video.readers_facts import ReadersFacts

LAST_RESORT = "torchvision"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The reader, and the ones that were passed over because they do not load."""

    chosen: str
    """What is tried first."""
    used: str
    """What decodes in the end: torchvision, whenever the chosen reader raises."""
    broken: dict[str, str]
    """Reader -> why it does not load, of those tried."""


def choose(facts: ReadersFacts) -> Choice:
    """Apply the order that is in the source of the installed qwen-vl-utils."""
    broken = {
        name: reader.reason or reader.status
        for name, reader in facts.readers.items()
        if reader.status in ("raised", "crashed", "timed_out")
    }
    utils = facts.qwen_vl_utils
    chosen = facts.forced or LAST_RESORT
    if not facts.forced:
        for name in utils.order:
            reader = facts.readers.get(name)
            if reader is None or not reader.installed:
                continue
            if name == "torchcodec" and utils.loads_torchcodec_to_choose and name in broken:
                continue
            chosen = name
            break
    reader = facts.readers.get(chosen)
    absent = chosen != LAST_RESORT and (reader is None or not reader.installed)
    used = LAST_RESORT if absent or chosen in broken else chosen
    return Choice(chosen=chosen, used=used, broken=broken)


def summary(facts: ReadersFacts) -> dict[str, object]:
    """What a verdict about readers rests on."""
    choice = choose(facts)
    return {
        "qwen_vl_utils": facts.qwen_vl_utils.version,
        "order": [*facts.qwen_vl_utils.order, LAST_RESORT],
        "FORCE_QWENVL_VIDEO_READER": facts.forced,
        "installed": {name: row.version for name, row in facts.readers.items() if row.installed},
        "broken": choice.broken,
        "torchvision": facts.torchvision,
        "torchvision_reads_videos": facts.torchvision_reads_videos,
        "ffmpeg_libraries": facts.ffmpeg_libraries,
        "chosen": choice.chosen,
        "used": choice.used,
    }
