"""A limit on image sizes that is accepted and has no effect."""

from __future__ import annotations

from typing import Any

from qvl_checks.images.own_row import own_row
from qvl_checks.images.processor_facts import ProcessorFacts, Row
from qvl_checks.images.styles import floor_of
from qvl_checks.images.ways import FLOOR_PIXELS, RECOMMENDED
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

CURE = """\
processor = AutoProcessor.from_pretrained(path, min_pixels={floor}, max_pixels={limit})"""


@check("images.pixel-limit-ignored")
def pixel_limit_ignored(
    processor: ProcessorFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """The file's own limit must hold, and so must the way of limiting that we recommend."""
    found = own_row(processor, model)
    if isinstance(found, Judgement):
        return found
    row, tokens = found
    evidence = evidence_of(processor)
    allowed = row.expected_tokens
    asked = row.cells.get(RECOMMENDED)
    works = asked.within(processor.cap_pixels) if asked else None
    if allowed is not None and tokens > allowed:
        cures = [cure(row, processor)] if works else []
        return failed(
            f"The limit of {row.limit_pixels} pixels in the configuration has no effect: "
            f"{tokens} visual tokens instead of {allowed}",
            f"{row.class_name} of transformers {processor.transformers} does not apply the limit "
            "that the checkpoint's file states, so images are larger than it says.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=cures,
            explains=("memory.unbounded-image-size",),
        )
    if works is None:
        reason = asked.reason if asked else "it was not tried"
        return inconclusive(
            f"whether a limit given at loading holds is not known: {reason}", evidence=evidence
        )
    ignored = ways_ignored(row, processor.cap_pixels)
    if not works:
        return failed(
            f"{row.class_name} ignores min_pixels and max_pixels given at loading",
            f"Asked for at most {processor.cap_pixels} pixels, it makes "
            f"{asked.pixels if asked else None} of the test picture, and prints nothing.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.run(
                    *target.install("--upgrade", "transformers"),
                    summary="installs a release whose image processor keeps the limit",
                )
            ],
        )
    also = f"; without effect here: {', '.join(ignored)}" if ignored else ""
    return passed(
        f"min_pixels and max_pixels given at loading hold with {row.class_name}{also}",
        "Give both at loading: it is the one way that every release honours. What the processor "
        "prints as its size can be stale.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def cure(row: Row, processor: ProcessorFacts) -> Fix:
    """The limits of the file, given in the way that was measured to hold."""
    floor = floor_of(row.settings) or FLOOR_PIXELS
    return Fix.edit(
        CURE.format(floor=floor, limit=row.limit_pixels),
        summary="gives the file's limits at loading, where they take effect",
        verification=f"a cap of {processor.cap_pixels} pixels given this way left "
        f"{row.cells[RECOMMENDED].tokens} visual tokens of the test picture",
    )


def ways_ignored(row: Row, cap: int) -> list[str]:
    """The ways of asking that ran without an error and changed nothing."""
    return [
        way
        for way, cell in row.cells.items()
        if way != "default" and cell.status == "ok" and not cell.within(cap)
    ]


def evidence_of(processor: ProcessorFacts) -> dict[str, Any]:
    """The measured table, with what it was measured on."""
    return {
        "transformers": processor.transformers,
        "picture": list(processor.picture),
        "cap_pixels": processor.cap_pixels,
        "tokens": [
            {
                "configuration": row.style,
                "implementation": row.implementation,
                "class": row.class_name,
                "expected": row.expected_tokens,
                **{way: cell.tokens for way, cell in row.cells.items()},
            }
            for row in processor.rows
        ],
    }
