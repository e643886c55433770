"""An image of the stated workload that the image processor refuses for its shape."""

from __future__ import annotations

from qvl_checks.images.processor_facts import ProcessorFacts
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

MOST = 200
"""Long side by short side; ``smart_resize`` in every release."""
SHORTEST = 28
"""Pixels of a merged patch (14 x 2), below which early releases refuse a side."""
NARROW = "larger than factor"
"""In the message of that refusal."""
CURE = """\
from PIL import ImageOps

width, height = image.size
wanted = (max(width, -(-height // 190)), max(height, -(-width // 190)))
image = ImageOps.pad(image, wanted, color="white")"""


@check("images.extreme-aspect-ratio")
def extreme_aspect_ratio(workload: WorkloadFacts, processor: ProcessorFacts) -> Judgement:
    """The stated sizes against what the installed processor was seen to refuse."""
    if not workload.images:
        return not_applicable("no image sizes were stated (--image WIDTHxHEIGHT)")
    long, thin = (
        next((seen for seen in processor.extremes if seen.width == width), None)
        for width in (4200, 400)
    )
    if long is None or thin is None:
        return inconclusive(f"unusual shapes could not be tried: {processor.reason}")
    refuses_thin = NARROW in thin.reason
    evidence = {
        "transformers": processor.transformers,
        "4200x20": long.reason or long.tokens,
        "400x20": thin.reason or thin.tokens,
    }
    for width, height in workload.images:
        ratio = max(width, height) / max(min(width, height), 1)
        if ratio > MOST:
            return _refused(
                f"An image of {width}x{height} is refused: it is {ratio:.0f} times as long as wide",
                f"The processor refuses more than {MOST}:1, and no setting allows it.",
                {**evidence, "image": [width, height], "ratio": round(ratio, 1)},
                measured="aspect ratio" in long.reason or refuses_thin,
            )
        if min(width, height) >= SHORTEST or thin.status == "ok":
            continue
        if not refuses_thin:
            return inconclusive(
                f"whether an image of {width}x{height} is accepted is not known: "
                f"{thin.reason[:160]}"
            )
        return _refused(
            f"An image of {width}x{height} is refused: one side is below {SHORTEST} pixels",
            f"transformers {processor.transformers} refuses images with a side shorter than one "
            "merged patch; later releases enlarge them.",
            {**evidence, "image": [width, height]},
            measured=True,
        )
    return passed(
        "The stated images have shapes that the processor accepts",
        evidence={**evidence, "images": [list(size) for size in workload.images]},
    )


def _refused(title: str, cause: str, evidence: dict[str, object], measured: bool) -> Judgement:
    return failed(
        title,
        cause,
        confidence=Confidence.MEASURED if measured else Confidence.DERIVED,
        evidence=evidence,
        fixes=[Fix.edit(CURE, summary="pads the image; or leave it out, if it holds nothing")],
    )
