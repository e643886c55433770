"""The two implementations of the image processor on the same picture."""

from __future__ import annotations

from qvl_checks.images.processor_facts import ProcessorFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

NORMAL = 0.01
"""Relative difference up to which only the order of rounding differs; 0.0012 to 0.003 were
measured."""
CURE = """\
processor = AutoProcessor.from_pretrained(path, use_fast=True)  # before 5.4
processor = AutoProcessor.from_pretrained(path, backend="torchvision")  # 5.4 and later"""


@check("images.fast-slow-processor-difference")
def fast_slow_processor_difference(processor: ProcessorFacts) -> Judgement:
    """The relative difference of the pixel values against what rounding explains."""
    found = processor.difference
    if found is None:
        return not_applicable("the two implementations are compared from --level standard on")
    if len(processor.classes) < 2 or found.status == "absent":
        return not_applicable("only one implementation of the image processor can be used here")
    if found.status != "ok":
        return not_applicable(f"the implementations cannot be compared: {found.reason}")
    evidence = {
        "transformers": processor.transformers,
        "classes": processor.classes,
        "relative_difference": found.relative,
        "largest_difference": found.largest,
    }
    if found.same_grid is False:
        return failed(
            "The fast and the slow image processor resize the same picture to different sizes",
            "With the same limits the two give different grids of patches, so they cannot stand in "
            "for each other.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[Fix.edit(CURE, summary="names one implementation everywhere")],
        )
    if found.relative is None:
        return inconclusive("the pixel values could not be compared", evidence=evidence)
    share = f"{found.relative:.2%}"
    if found.relative > NORMAL:
        return failed(
            f"The fast and the slow image processor differ by {share}",
            f"Rounding explains up to {NORMAL:.0%}; this is more, so one of them does something "
            "else to the picture.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[Fix.edit(CURE, summary="names one implementation everywhere")],
        )
    return passed(
        f"The fast and the slow image processor differ by {share}, as rounding explains",
        "Name one implementation everywhere if runs must be comparable to the last digit.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )
