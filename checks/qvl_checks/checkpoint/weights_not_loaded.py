"""checkpoint.weights-not-loaded: does every tensor of the checkpoint reach the model?"""

from __future__ import annotations

from collections.abc import Iterator

from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts
from qvl_checks.checkpoint.loading_facts import LoadingFacts, Names
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("checkpoint.weights-not-loaded")
def weights_not_loaded(
    loading: LoadingFacts, model: ModelFacts, run: CheckpointRunFacts | None = None
) -> Judgement:
    """Missing, unexpected and misshapen tensors, as transformers itself reports them; after a run
    of the checkpoint (--level deep) also tensors that came to lie elsewhere."""
    if run is not None and run.loaded.differing:
        return _elsewhere(run)
    if loading.reason:
        return not_applicable(loading.reason)
    evidence = {
        "transformers": loading.transformers,
        "class": loading.class_name,
        "stored_tensors": loading.stored,
        "model_tensors": loading.parameters,
        "missing": _as_evidence(loading.missing),
        "unexpected": _as_evidence(loading.unexpected),
        "mismatched": _as_evidence(loading.mismatched),
    }
    if loading.loading_error:
        return blocked(
            f"the headers could not be loaded: {loading.loading_error}", evidence=evidence
        )
    lost = loading.missing.count + loading.mismatched.count
    if not lost and not loading.unexpected.count:
        return passed(
            f"All {loading.stored} stored tensors reach the model, and it lacks none",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if not lost:
        return passed(
            f"The model lacks nothing; {loading.unexpected.count} stored tensors are not used",
            f"For example {', '.join(loading.unexpected.examples[:3])}. If the model was trained "
            "with them, it is not this class that was trained.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if lost == loading.missing.output_head:
        return not_applicable(
            "only the output head is missing, which checkpoint.output-head-mismatch judges",
            evidence=evidence,
        )
    return failed(
        f"{lost} of the model's tensors stay random: the checkpoint does not fill them",
        "; ".join(_sentences(loading))
        + f". transformers {loading.transformers} says so in the log and goes on.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[Fix.advise(advice) for advice in _advice(loading)],
    )


def _elsewhere(run: CheckpointRunFacts) -> Judgement:
    loaded = run.loaded
    return failed(
        f"{loaded.differing} of {loaded.compared} tensors of the loaded model hold other values "
        "than the files",
        f"For example {', '.join(loaded.examples[:3])}. The names are all there, so nothing is "
        f"reported: transformers {run.transformers} put other tensors in their places.",
        confidence=Confidence.MEASURED,
        evidence={"transformers": run.transformers, "differing": loaded.examples},
        fixes=[
            Fix.advise(
                "Load the checkpoint with the release that saved it, compare, and save it again; "
                "report the release that exchanges them."
            )
        ],
    )


def _as_evidence(names: Names) -> dict[str, object]:
    return {
        "count": names.count,
        "in_the_vision_tower": names.vision,
        "in_the_output_head": names.output_head,
        "examples": names.examples,
    }


def _sentences(loading: LoadingFacts) -> Iterator[str]:
    for names, what in (
        (loading.missing, "missing in the files"),
        (loading.mismatched, "stored in another shape"),
        (loading.unexpected, "stored under names that the model does not have"),
    ):
        if names.count:
            place = f", {names.vision} of them in the vision tower" if names.vision else ""
            yield f"{names.count} {what}{place} (such as {names.examples[0]})"


def _advice(loading: LoadingFacts) -> Iterator[str]:
    if loading.missing.count and loading.unexpected.count >= loading.missing.count:
        yield (
            "As many tensors are unexpected as missing: they were saved under other names. Load "
            "with the release and class that saved them and save again, or rename them as the "
            "examples show."
        )
    elif loading.missing.count:
        yield (
            "Get the files again, or save the model completely: a merge or a fine-tune that saved "
            "only what it trained leaves the rest out."
        )
    if loading.mismatched.count:
        yield "Make config.json agree with the weights; the shapes in the files count."
