"""images.pictures-not-seen: do different pictures become different tokens, patch by patch?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.images.sight_facts import Eyes, Patches, SightFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

EXACT = 1e-2
"""Of normalised values."""
SAME = 0.02
"""Relative distance of all visual tokens below which two pictures count as one; those of sound
towers differ by 0.3 and more."""
REFERENCE = 1e-3
"""Relative distance from the reference in float32."""
MISTAKES = {
    "raster": "patches that are merged into one visual token do not follow one another",
    "columns": "merged blocks come column by column instead of row by row",
    "bgr": "red and blue are exchanged",
    "": "no known mistake explains it",
}


@check("images.pictures-not-seen")
def pictures_not_seen(sight: SightFacts, model: ModelFacts) -> Judgement:
    """Patches against the doctor's own, and visual tokens against each other and a reference."""
    if sight.reason:
        return not_applicable(sight.reason)
    patches = [row for row in sight.patches if row.comparable]
    towers = [tower for tower in sight.towers if not tower.reason]
    evidence = {
        "transformers": sight.transformers,
        "processor": sight.processor or f"none: {sight.processor_reason}",
        "patch_errors": {row.picture: row.error for row in patches},
        "not_compared": {
            row.picture: row.reason or row.grid for row in sight.patches if row not in patches
        },
        "towers": {
            tower.weights: {
                "most_similar_pictures": tower.closest_pair,
                "their_distance": tower.closest,
                "distance_of_two_looks_at_one": tower.repeated,
                "distance_from_reference": tower.from_reference,
                "tokens_not_finite": tower.not_finite,
            }
            if not tower.reason
            else tower.reason
            for tower in sight.towers
        },
    }
    if not towers:
        return blocked("no vision tower could be run", evidence=evidence)
    faults = [*_cut_wrongly(patches), *(fault for tower in towers for fault in _blind(tower))]
    if faults:
        return failed(
            f"Pictures do not reach the model as they are ({len(faults)} of the tests fail)",
            "; ".join(faults) + ".",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    "Use another release of transformers, or the other image processor "
                    "(use_fast=True or False), for patches; get the checkpoint again where it is "
                    "its tower that does not see."
                )
            ],
        )
    what = (
        "The image processor cuts patches as the rule has it"
        if patches
        else "Not compared: the image processor"
    )
    return passed(
        "Different pictures become different visual tokens",
        f"{what}; {_told(towers)}.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _cut_wrongly(patches: list[Patches]) -> Iterator[str]:
    wrong = [row for row in patches if row.error is None or row.error > EXACT]
    if wrong:
        # Many mistakes leave plain pictures as they are; the one that shows in all is named.
        named = next((row.mistake for row in wrong if row.mistake), "")
        size = "another shape" if wrong[0].error is None else f"off by up to {wrong[0].error:.2g}"
        yield (
            f"the image processor's patches of {len(wrong)} of {len(patches)} pictures are {size}: "
            + MISTAKES.get(named, named)
        )


def _blind(tower: Eyes) -> Iterator[str]:
    whose = "the checkpoint's tower" if tower.weights == "checkpoint" else "a small tower"
    if tower.tensors_missing:
        yield f"{whose} lacks {tower.tensors_missing} tensors"
    if tower.not_finite:
        yield f"{whose} gives {tower.not_finite} visual tokens that are not finite"
    elif tower.closest is None or tower.closest < SAME:
        pair = " and ".join(tower.closest_pair)
        yield f"{whose} cannot tell the pictures {pair} apart (distance {tower.closest})"
    if tower.repeated is None or tower.repeated > SAME:
        yield f"{whose} sees one picture twice as two (distance {tower.repeated})"
    if tower.from_reference is not None and tower.from_reference > REFERENCE:
        yield (
            f"{whose} gives other visual tokens than the reference computes from the pictures "
            f"(off by {tower.from_reference:.1g})"
        )


def _told(towers: list[Eyes]) -> str:
    return "; ".join(
        f"the {'checkpoint' if tower.weights == 'checkpoint' else 'small'} tower tells all of them "
        f"apart (closest: {tower.closest})"
        for tower in towers
    )
