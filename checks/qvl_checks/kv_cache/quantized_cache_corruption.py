"""kv-cache.quantized-cache-corruption: does the checkpoint ask for a quantised cache?"""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.models.catalogue import families
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

FILE = "generation_config.json"
QUANTIZED = "quantized"
DESTROYED_UP_TO = 4
"""Bits for which the corruption is reported; nobody has measured 8."""


@check("kv-cache.quantized-cache-corruption")
def quantized_cache_corruption(files: CheckpointFilesFacts, model: ModelFacts) -> Judgement:
    """``cache_implementation`` in generation_config.json, for families with a key bias."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    family = families().get(model.model_type)
    if family is None or not family.k_bias:
        return not_applicable(f"{model.family or model.name} has no bias on its keys")
    settings = files.settings.get(FILE)
    if settings is None or settings.state == "missing":
        return passed(
            f"The folder has no {FILE}, so generation uses the normal cache",
            "A script can still ask for a quantised one.",
        )
    if settings.value is None:
        return blocked(f"{FILE} is {settings.state}: {settings.reason}")
    asked = settings.value.get("cache_implementation")
    config = settings.value.get("cache_config")
    bits = config.get("nbits", DESTROYED_UP_TO) if isinstance(config, dict) else DESTROYED_UP_TO
    evidence: dict[str, Any] = {
        "cache_implementation": asked,
        "cache_config": config,
        "k_proj_biases": files.tensors.k_proj_biases.count,
    }
    if asked != QUANTIZED:
        return passed(
            f"{FILE} asks for no quantised cache",
            "A script can still ask for one.",
            evidence=evidence,
        )
    if not isinstance(bits, int) or bits > DESTROYED_UP_TO:
        return inconclusive(
            f"{FILE} asks for a quantised cache of {bits} bits; harm is known from 4, and no "
            "measurement shows that more are enough",
            evidence=evidence,
        )
    return failed(
        f"{FILE} asks for a KV cache in {bits} bits, which destroys the text of {model.family}",
        "The keys have a few huge constant components from k_proj.bias. Groups of values share "
        "one scale, which follows the giants; the small components that carry the content round "
        "to nothing.",
        confidence=Confidence.REPORTED,
        evidence=evidence,
        fixes=[
            Fix.advise(
                f"Remove cache_implementation and cache_config from {FILE}. If the cache really "
                'is too large, "offloaded" keeps it in host memory, exact but slower.',
                safety=Safety.SAFE,
            )
        ],
    )
