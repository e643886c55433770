"""Images without a limit on their pixels."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode
from ..flow.values import is_given
from ..knowledge import ANY_VL
from ..pixels import capped, contents, kind_of, limits, messages_of
from ..rule import Report, Rule

RULE = Rule("memory.unbounded-image-size", "Nothing limits the visual tokens of an image.")


def check(program: Program) -> Iterator[Report]:
    """Processors that are used with images and have no pixel limit."""
    for load, families in program.processors():
        if (
            load.cls.endswith(("Tokenizer", "TokenizerFast"))
            or not families <= ANY_VL
            or limits(program, load)
        ):
            continue
        if any(
            _has_images(program, e) and not capped(program, e) for e in program.encodes_of(load)
        ):
            yield RULE.at(
                load.site,
                "info",
                "No pixel limit is set, so one large image may become 16,384 visual tokens.",
                "Pass both min_pixels and max_pixels to from_pretrained, for example 256 and 1280"
                " tokens' worth.",
            )


def _has_images(program: Program, encode: Encode) -> bool:
    if is_given(encode.keywords.get("images", encode.path)) and "images" in encode.keywords.entries:
        return True
    return any(kind_of(content) == "image" for content in contents(messages_of(program, encode)))
