"""Releases that put the tokens of what a program sends at wrong positions."""

from collections.abc import Callable, Iterator

from qvl_checks.versions.known_ranges import known_ranges

from ..facts import Program
from ..flow.events import Encode, Run
from ..pixels import contents, has_images, kind_of, messages_of
from ..rule import Report, Rule
from .padding_side import padded, several

RULE = Rule("versions.wrong-position-ids", "This release puts tokens at wrong positions.")


def check(program: Program) -> Iterator[Report]:
    """Runs of Qwen2-VL and Qwen2.5-VL whose inputs meet a known defect of the release."""
    rows = [row for row in known_ranges() if row.rule == RULE.id and row.condition in MEETS]
    for row in rows:
        if not row.contains(program.transformers):
            continue
        for encode in program.of(Encode):
            families = program.processor_families(encode.processor)
            if not families or not families <= set(row.models):
                continue
            if not MEETS[row.condition](program, encode):
                continue
            runs: list[Run] = program.consumers(encode)
            if not runs and not any(run.generates for run in program.nearby(encode, Run)):
                continue
            yield RULE.at(
                runs[0].site if runs else encode.site,
                "info",
                f"transformers {program.transformers}, with {row.condition}: {row.defect}.",
                f"Use transformers {row.fixed} or another release without this defect.",
            )


def _batch(program: Program, encode: Encode) -> bool:
    return padded(encode) and several(encode)


def _videos(program: Program, encode: Encode) -> bool:
    return any(kind_of(content) == "video" for content in contents(messages_of(program, encode)))


#: What must be sent for a defect to show; the others depend on the video itself.
MEETS: dict[str, Callable[[Program, Encode], bool]] = {
    "batches with left padding": _batch,
    "still images": has_images,
    "videos": _videos,
}
