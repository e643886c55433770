"""kv-cache.cache-broken: do cached and fresh logits agree, and does the cache grow by one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qvl_checks.kv_cache.behaviour_facts import CacheFacts, Switch
from qvl_doctor.check import check
from qvl_doctor.facts import WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed


@check("kv-cache.cache-broken")
def cache_broken(cache: CacheFacts, workload: WorkloadFacts | None = None) -> Judgement:
    """Judges the run under the checkpoint's settings and the one with the cache on; padding counts
    unless the stated load runs one prompt at a time."""
    if cache.reason:
        return inconclusive(f"Not measured: {cache.reason}")
    if cache.refused:
        return blocked("The configuration is refused: see kv-cache.cache-disabled")
    evidence = _evidence(cache)
    lengths = [step.length for step in cache.cached]
    if not cache.cached_reason and (not lengths or None in lengths):
        return inconclusive("The length of the cache could not be read", evidence=evidence)
    unpadded = workload is not None and workload.stated and workload.batch == 1
    padding = list(_padding_faults(cache))
    faults = [*_faults(cache, lengths), *(() if unpadded else padding)]
    if cache.default_effect in ("wrong", "raised") and not faults and cache.turned_off_by:
        return _half_off(cache, evidence)
    lost = [switch for switch in cache.switches if switch.effect in ("wrong", "raised")]
    if faults:
        return failed(
            "Results with the KV cache differ from those without it",
            f"In float32, where only rounding may differ: {'; '.join(faults)}.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=(
                Fix.advise(
                    f"Use another transformers than {cache.transformers}: 4.57.1 to 4.57.6, or "
                    "5.23 and later, were found in order. Until then use_cache=False is right and "
                    "slow, unless the evidence shows that it is wrong as well."
                ),
            ),
        )
    return passed(
        "Logits with and without the KV cache agree, and it grows by one entry per token",
        f"Largest relative difference in float32: {_size(cache.logits_error)}, with left padding "
        f"{_size(cache.padded_error)}.{_warning(lost)}"
        + (f" Padded batches, which the stated load has not: {padding[0]}." if padding else ""),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[Fix.advise(_advice(switch)) for switch in lost],
    )


def _faults(cache: CacheFacts, lengths: list[int | None]) -> Iterator[str]:
    expected = [cache.prompt_tokens + step for step in range(len(lengths))]
    if cache.cached_reason:
        yield f"generate with the cache raises {cache.cached_reason}"
    elif lengths != expected:
        yield f"the cache holds {lengths} tokens after the steps, expected {expected}"
    if not cache.cached_reason and not _agrees(cache.logits_error, cache.tolerance):
        yield f"cached logits differ from fresh ones by {_size(cache.logits_error)}"


def _padding_faults(cache: CacheFacts) -> Iterator[str]:
    if cache.padded_reason:
        yield f"with left padding generate raises {cache.padded_reason}"
    elif not _agrees(cache.padded_error, cache.tolerance):
        yield "with left padding cached logits differ from fresh ones by " + _size(
            cache.padded_error
        )


def _half_off(cache: CacheFacts, evidence: dict[str, Any]) -> Judgement:
    what = (
        f"generate() raises {cache.default_reason.partition(':')[0]}"
        if cache.default_effect == "raised"
        else "generate() gives other logits than a fresh pass"
    )
    files = sorted({setting.partition(":")[0] for setting in cache.turned_off_by})
    return failed(
        f"With this checkpoint's cache setting {what}",
        f"{' and '.join(cache.turned_off_by)}, which transformers {cache.transformers} half "
        "obeys: the cache is filled and the whole sequence is passed in again. With use_cache "
        "true the logits agree.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=(
            Fix.edit(
                cache.restore,
                summary="Turn the cache on in the loaded model",
                verification=f"executed with transformers {cache.transformers}: afterwards one "
                "token is processed per step, with the right logits"
                if cache.restored_effect == "cached"
                else "",
            ),
            Fix.advise(f'Set "use_cache": true in {" and ".join(files)}.'),
        ),
    )


def _agrees(error: float | None, tolerance: float) -> bool:
    return error is not None and error <= tolerance


def _size(error: float | None) -> str:
    return "values that are not finite" if error is None else f"{error:.1e}"


def _warning(lost: list[Switch]) -> str:
    return "".join(
        f" But under {switch.name} generate "
        + ("gives other logits than a fresh pass." if switch.effect == "wrong" else "raises.")
        for switch in lost
    )


def _advice(switch: Switch) -> str:
    if "train" in switch.name:
        return (
            f"Call model.eval() before generate() and model.train() after it: under {switch.name} "
            "each new token is computed without the ones before it."
            if switch.effect == "wrong"
            else f"Call model.eval() before generate(): under {switch.name} it raises "
            f"{switch.reason.partition(':')[0]}."
        )
    return f"Do not use {switch.name} with this release of transformers."


def _evidence(cache: CacheFacts) -> dict[str, Any]:
    return {
        "under_own_settings": cache.default_effect,
        "own_settings": cache.settings,
        "tokens_per_step": [step.fed for step in cache.cached],
        "cache_length_after_step": [step.length for step in cache.cached],
        "relative_difference": cache.logits_error,
        "relative_difference_left_padded": cache.padded_error,
        "tolerance": cache.tolerance,
        "under_other_settings": {switch.name: switch.effect for switch in cache.switches},
        "transformers": cache.transformers,
    }
