"""checkpoint.blocks-untrained: can every layer of the checkpoint have been trained?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.checkpoint.loading_facts import LoadingFacts, Untrained
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

VISION = "visual."


@check("checkpoint.blocks-untrained")
def blocks_untrained(loading: LoadingFacts, model: ModelFacts) -> Judgement:
    """Single rows of every block: fresh, zero, not finite or a copy."""
    if loading.reason:
        return not_applicable(loading.reason)
    found = loading.untrained
    evidence = {
        "blocks": found.blocks,
        "fresh": found.fresh,
        "zero": found.zero,
        "not_finite": found.not_finite,
        "copies": found.twins,
    }
    if found.blocks and len(found.fresh) == found.blocks:
        return not_applicable(
            "no block was ever trained: a model with random weights, as one is made for tests",
            evidence=evidence,
        )
    sentences = list(_sentences(found))
    if sentences:
        spoiled = [*found.fresh, *found.zero, *found.not_finite, *found.twins]
        where = "the vision tower" if all(VISION in name for name in spoiled) else "the model"
        return failed(
            f"{len(spoiled)} of {found.blocks} blocks in the files of {where} are not trained",
            "; ".join(sentences) + ".",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    "Get the checkpoint again, or look at what saved it: these blocks were written "
                    "as they are. The model loads without a message."
                )
            ],
        )
    if found.unread or not found.blocks:
        why = found.unread or "no blocks were recognised by their names"
        return inconclusive(f"the weights could not be sampled: {why}", evidence=evidence)
    return passed(
        f"All {found.blocks} blocks have weights that training can have left",
        "Norms, biases and a row of each matrix were read.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _sentences(found: Untrained) -> Iterator[str]:
    for names, what in (
        (found.fresh, "have norms of exactly 1 and biases of exactly 0, as a layer is made"),
        (found.zero, "hold a matrix of zeros"),
        (found.not_finite, "hold values that are not finite"),
        (found.twins, "are copies of another block"),
    ):
        if names:
            yield f"{len(names)} {what} (such as {names[0]})"
