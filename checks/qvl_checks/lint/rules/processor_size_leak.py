"""Two fast processors with different limits in one process."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.values import is_given
from ..pixels import fast, style_of
from ..rule import Report, Rule

RULE = Rule(
    "images.processor-size-leak", "A fast image processor leaks its size into the next one."
)


def check(program: Program) -> Iterator[Report]:
    """A limit on one processor, none on a later one, on releases that share the class attribute."""
    if not Version("4.51") <= program.transformers < Version("5.1"):
        return
    limited = None
    for load, _ in program.processors():
        style = style_of(program, load)
        if style is None or load.cls.endswith("Tokenizer") or not fast(program, load, style):
            continue
        own = "max_pixels" in load.keywords.entries and is_given(
            load.keywords.get("max_pixels", load.path)
        )
        if own:
            limited = limited or load
        elif (
            limited is not None
            and limited.site.module is load.site.module
            and not load.keywords.open
        ):
            yield RULE.at(
                load.site,
                "info",
                "In this release the fast class keeps the pixel limit of the processor at line"
                f" {limited.site.line}, so this one inherits it.",
                "Pass min_pixels and max_pixels here, too, or use one process per processor.",
            )
