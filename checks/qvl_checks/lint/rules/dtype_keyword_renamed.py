"""`torch_dtype=` where `dtype=` is the name."""

from collections.abc import Iterator

from packaging.version import Version

from ..facts import Program
from ..flow.values import is_given
from ..rule import Report, Rule, rename_keyword

RULE = Rule("versions.dtype-keyword-renamed", "`torch_dtype` is the old name of `dtype`.")


def check(program: Program) -> Iterator[Report]:
    """The old keyword on releases from 4.56 on."""
    if program.transformers < Version("4.56.0"):
        return
    for load, _ in program.loads():
        keywords = load.keywords
        if "torch_dtype" not in keywords.entries or not is_given(
            keywords.get("torch_dtype", load.path)
        ):
            continue
        site = keywords.keys.get("torch_dtype", load.site)
        edits = () if "dtype" in keywords.entries else rename_keyword(site, "dtype")
        yield RULE.at(
            site,
            "info",
            "`torch_dtype` is deprecated; the keyword is called `dtype` since 4.56.",
            "Write dtype=.",
            *edits,
        )
