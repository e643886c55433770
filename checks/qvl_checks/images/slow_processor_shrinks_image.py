"""The image processor puts its own default of one megapixel in place of the configured size."""

from __future__ import annotations

from qvl_checks.images.own_row import own_row
from qvl_checks.images.pixel_limit_ignored import cure, evidence_of
from qvl_checks.images.processor_facts import ProcessorFacts, Row
from qvl_checks.images.ways import RECOMMENDED
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed


@check("images.slow-processor-shrinks-image")
def slow_processor_shrinks_image(
    processor: ProcessorFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Visual tokens of the test picture against what the configuration allows it to have."""
    found = own_row(processor, model)
    if isinstance(found, Judgement):
        return found
    row, tokens = found
    allowed = row.expected_tokens
    if allowed is None:
        return not_applicable("the configuration states no upper limit, so none can be replaced")
    evidence = evidence_of(processor)
    if tokens < allowed and tokens == row.shrunk_tokens:
        return failed(
            f"{row.class_name} shrinks every image to 1.0 megapixel: {tokens} visual tokens where "
            f"the configuration allows {allowed}",
            f"The constructor of transformers {processor.transformers} replaces the configured "
            f"limit of {row.limit_pixels} pixels by its built-in 1 003 520. Nothing is printed, "
            "and small print in the image is lost.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=fixes(row, processor, target),
        )
    if tokens < allowed:
        return inconclusive(
            f"{row.class_name} makes {tokens} visual tokens where the configuration seems to allow "
            f"{allowed}; the built-in default would make {row.shrunk_tokens}",
            evidence=evidence,
        )
    hit = [other for other in processor.rows if _shrinks(other)]
    aside = (
        f" {hit[0].class_name} would shrink it with configurations that hold only size; it is not "
        "what AutoProcessor takes for this model."
        if hit
        else ""
    )
    return passed(
        f"{row.class_name} keeps the configured size: {tokens} visual tokens for the test picture",
        aside.strip(),
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def fixes(row: Row, processor: ProcessorFacts, target: TargetFacts) -> list[Fix]:
    """Both limits at loading, if that was measured to work; and the release that is right."""
    asked = row.cells.get(RECOMMENDED)
    proven = [cure(row, processor)] if asked and asked.within(processor.cap_pixels) else []
    return [
        *proven,
        Fix.run(
            *target.install("--upgrade", "transformers>=5"),
            summary="installs a release whose slow class keeps the configured size",
        ),
    ]


def _shrinks(row: Row) -> bool:
    tokens = row.default.tokens if row.default else None
    return tokens is not None and row.expected_tokens is not None and tokens < row.expected_tokens
