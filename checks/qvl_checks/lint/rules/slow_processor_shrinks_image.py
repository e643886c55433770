"""The slow image processor on a config with `size`."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.values import is_given, literal
from ..pixels import style_of
from ..rule import Report, Rule

RULE = Rule(
    "images.slow-processor-shrinks-image",
    "The slow image processor shrinks every image to one megapixel.",
)


def check(program: Program) -> Iterator[Report]:
    """use_fast=False with Qwen3-VL before 5.0 and no explicit limit."""
    if program.transformers >= Version("5.0"):
        return
    for load, _ in program.processors():
        if style_of(program, load) != "B" or load.keywords.open or load.cls.endswith("Tokenizer"):
            continue
        if literal(load.keywords.get("use_fast", load.path)) is not False:
            continue
        if (
            is_given(load.keywords.get("max_pixels", load.path))
            and "max_pixels" in load.keywords.entries
        ):
            continue
        yield RULE.at(
            load.keywords.keys.get("use_fast", load.site),
            "warning",
            "Before transformers 5.0 the slow image processor overwrites Qwen3-VL's size and"
            " shrinks every image to one megapixel.",
            "Drop use_fast=False, or pass min_pixels and max_pixels.",
        )
