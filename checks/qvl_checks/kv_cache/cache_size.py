"""kv-cache.cache-size: does a token take what the formula says?"""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.kv_cache.behaviour_facts import CacheFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

KIB = 1024
GIB = 1024**3
CONTEXT = 32768


@check("kv-cache.cache-size")
def cache_size(cache: CacheFacts, model: ModelFacts, workload: WorkloadFacts) -> Judgement:
    """Fails only if the measured growth per token is not what the formula says."""
    if cache.reason:
        return inconclusive(f"Not measured: {cache.reason}")
    measured, formula = cache.measured_bytes_per_token, cache.formula_bytes_per_token
    if measured is None or not formula:
        return inconclusive("The tensors of the cache could not be read")
    per_token = cache.model_bytes_per_token
    evidence: dict[str, Any] = {
        "bytes_per_token": per_token,
        "dtype": cache.dtype,
        "gib_for_32768_tokens": round(per_token * CONTEXT * workload.batch / GIB, 3),
        "batch": workload.batch,
        "model": model.name,
        **msgspec.structs.asdict(cache.model_layers),
        "small_model_measured_bytes_per_token": measured,
        "small_model_formula_bytes_per_token": formula,
    }
    if measured != formula:
        return failed(
            f"The KV cache grows by {measured / formula:.2f} times what its formula says",
            f"A small model's cache grows by {measured:g} bytes per token in float32; 2 x layers x "
            f"key/value heads x head size x 4 bytes gives {formula}. The difference is "
            f"{measured - formula:+g} bytes per token, so a context needs more or less memory "
            "than planned.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=(
                Fix.advise(
                    f"Plan with {per_token * measured / formula / KIB:.1f} KiB per token and "
                    "sequence for this model, and look for a cache class or a setting "
                    "(cache_implementation) that stores more or less than one key and value "
                    "per head."
                ),
            ),
        )
    layers = cache.model_layers
    growing = (
        f" Only {layers.full_attention_layers} of {layers.layers} layers keep every token."
        if layers.full_attention_layers != layers.layers
        else ""
    )
    return passed(
        f"The KV cache of this model takes {per_token / KIB:g} KiB per token",
        f"2 x {layers.full_attention_layers} layers x {layers.kv_heads} key/value heads x "
        f"{layers.head_dim} x {cache.dtype}: {evidence['gib_for_32768_tokens']:g} GiB for "
        f"{CONTEXT} tokens at batch {workload.batch}. The formula was confirmed on a small "
        f"model's tensors.{growing}",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )
