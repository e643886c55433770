"""Does the prediction agree with what was measured here?"""

from __future__ import annotations

from qvl_checks.memory.change_facts import CandidatesFacts, FixesFacts, LargestImageFacts
from qvl_checks.memory.comparison import Compared, all_compared, as_evidence
from qvl_checks.memory.predicted_facts import PredictedFacts
from qvl_checks.memory.run_facts import RunAsStated
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

TOLERANCE = 3.0
"""Percent of the measured value."""
STEPS = 1
"""Steps of the image's side by which the largest image may be missed."""


@check("memory.prediction-off")
def prediction_off(
    stated: RunAsStated | None,
    predicted: PredictedFacts | None,
    candidates: CandidatesFacts | None,
    fixes: FixesFacts | None,
    largest: LargestImageFacts | None,
) -> Judgement:
    """Compares every run of this examination with its prediction."""
    if stated is None or stated.status == "not_run":
        return not_applicable("the workload was not run, so there is nothing to compare with")
    if predicted is None or predicted.status == "not_run":
        why = predicted.reason if predicted else "none was made"
        return not_applicable(f"there is no prediction to compare the run with: {why}")
    rows = all_compared(stated, predicted, candidates, fixes, largest)
    wrong = [*_peaks(rows), *_outcomes(stated, predicted, candidates, fixes), *_side(largest)]
    evidence = {"tolerance_percent": TOLERANCE, **as_evidence(rows)}
    if wrong:
        return failed(
            f"The prediction is off: {wrong[0]}",
            f"{'; '.join(wrong)}. Predictions for this stack are not to be trusted to the last "
            "percent; the measured numbers are.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    "Keep at least this much room beyond what is predicted, and report the "
                    "saved facts, so that the prediction can be mended."
                )
            ],
        )
    errors = [abs(row.error) for row in rows if row.error is not None]
    if not errors:
        return passed(
            "The prediction and the measured run agree on what fits",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return passed(
        f"Predicted and measured peaks differ by at most {max(errors):.2f} %",
        f"{len(errors)} peaks were compared.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _peaks(rows: tuple[Compared, ...]) -> list[str]:
    found = []
    for row in rows:
        for what, error in (
            ("the weights", row.weights_error),
            ("the peak", row.error),
            ("the peak of reserved memory", row.reserved_error),
        ):
            if error is not None and abs(error) > TOLERANCE:
                found.append(
                    f"{what} of GPU {row.index} ({row.run}) was predicted "
                    f"{abs(error):.1f} % too {'high' if error > 0 else 'low'}"
                )
    return found


def _outcomes(
    stated: RunAsStated,
    predicted: PredictedFacts,
    candidates: CandidatesFacts | None,
    fixes: FixesFacts | None,
) -> list[str]:
    pairs: list[tuple[str, bool | None, str]] = [
        ("the stated workload", predicted.fits, stated.status)
    ]
    for trial in fixes.runs if fixes else ():
        candidate = candidates.of(trial.name) if candidates else None
        if candidate is not None:
            pairs.append((f"the workload with {trial.name}", candidate.fits, trial.run.status))
    words: dict[tuple[bool | None, str], str] = {
        (True, "out_of_memory"): "to fit, and it ran out of memory",
        (False, "ran"): "not to fit, and it ran",
    }
    return [
        f"{name} was predicted {words[fits, status]}"
        for name, fits, status in pairs
        if (fits, status) in words
    ]


def _side(largest: LargestImageFacts | None) -> list[str]:
    steps = largest.steps_off if largest else None
    if largest is None or steps is None or abs(steps) <= STEPS:
        return []
    return [
        f"the largest image was predicted as {largest.predicted_side} x {largest.predicted_side}, "
        f"and {largest.fits_side} x {largest.fits_side} was measured"
    ]
