"""Images without a limit on their pixels."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.values import literal
from ..knowledge import ANY_VL
from ..pixels import capped, has_images, limits
from ..rule import Report, Rule

BUILT_IN = 16_384 * 28 * 28
"""Pixels that the published configurations allow; a limit as large is none."""
RULE = Rule("memory.unbounded-image-size", "Nothing limits the visual tokens of an image.")


def check(program: Program) -> Iterator[Report]:
    """Processors that are used with images and have no pixel limit."""
    for load, families in program.processors():
        given = literal(load.keywords.get("max_pixels", load.path))
        if isinstance(given, int) and given >= BUILT_IN and not load.keywords.open:
            yield RULE.at(
                load.keywords.keys.get("max_pixels", load.site),
                "info",
                f"max_pixels={given} is as much as the checkpoint allows anyway: one image may"
                " become 16,384 visual tokens.",
                "Lower it to what the task needs, for example 1280 tokens' worth.",
            )
            continue
        if (
            load.cls.endswith(("Tokenizer", "TokenizerFast"))
            or not families <= ANY_VL
            or limits(program, load)
        ):
            continue
        if any(has_images(program, e) and not capped(program, e) for e in program.encodes_of(load)):
            yield RULE.at(
                load.site,
                "info",
                "No pixel limit is set, so one large image may become 16,384 visual tokens.",
                "Pass both min_pixels and max_pixels to from_pretrained, for example 256 and 1280"
                " tokens' worth.",
            )
