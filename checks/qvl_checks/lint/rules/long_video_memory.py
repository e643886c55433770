"""Videos without a budget."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode, VisionInfo
from ..flow.values import ListItem, Value, items_of, literal
from ..pixels import contents, entry_keys, kind_of, site_of
from ..rule import Report, Rule

RULE = Rule("memory.long-video-memory", "Nothing limits the visual tokens of a video.")
LIMITS = {"max_pixels", "total_pixels", "nframes", "max_frames", "resized_height", "num_frames"}


def check(program: Program) -> Iterator[Report]:
    """Video entries without any limit, and budgets beyond what the model takes."""
    seen: set[int] = set()
    for event in (*program.of(VisionInfo), *program.of(Encode)):
        if (isinstance(event, Encode) and not event.template) or not program.related(
            event.site.module
        ):
            continue
        messages: Value = (
            event.messages
            if isinstance(event, VisionInfo)
            else (event.args[0] if event.args else ())
        )
        if isinstance(event, Encode) and {
            "num_frames",
            "fps",
            "videos_kwargs",
            "processor_kwargs",
        } & set(event.keywords.entries):
            continue
        for content in contents(messages):
            if kind_of(content) != "video" or content.open or id(content) in seen:
                continue
            if items_of(content.get("video"), ListItem):
                continue
            seen.add(id(content))
            total = literal(content.get("total_pixels"))
            if not entry_keys(content) & LIMITS:
                message = (
                    "Nothing limits this video's frames and pixels, so a long one runs out of"
                    " memory."
                )
            elif isinstance(total, int) and total > 24576 * 32 * 32:
                message = (
                    "total_pixels is above 24576 x 32 x 32, more visual tokens than the model"
                    " takes."
                )
            else:
                continue
            key = "total_pixels" if isinstance(total, int) else "video"
            yield RULE.at(
                site_of(content, key, event.site),
                "info",
                message,
                "Set max_pixels per frame and total_pixels (at most 24576 * 32 * 32), or nframes.",
            )
