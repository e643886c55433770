"""kv-cache.quantized-cache-corruption: is a quantised cache asked for, and what does one do?"""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.kv_cache.quantised_facts import SIMULATED, QuantisedFacts, QuantisedRow
from qvl_checks.models.catalogue import families
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Chart, Confidence, Fix, Safety, Series
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

FILE = "generation_config.json"
QUANTIZED = "quantized"
DEFAULT_BITS = 4
DEFAULT_BACKEND = "quanto"
DESTROYED_UP_TO = 4
"""Bits for which the corruption is reported."""
HARMFUL = 2.0
"""How many times the error of 4 bits without outliers, which is reported to be harmless, it takes
to call another number of bits harmful."""


@check("kv-cache.quantized-cache-corruption")
def quantized_cache_corruption(
    files: CheckpointFilesFacts, model: ModelFacts, quantised: QuantisedFacts | None
) -> Judgement:
    """``cache_implementation`` in generation_config.json, for families with a key bias."""
    measured = _evidence(quantised)
    absent = without_folder(files)
    if absent is not None:
        told = f"{absent.cause}. {_words(quantised, None)}".strip()
        return msgspec.structs.replace(absent, cause=told, evidence={**absent.evidence, **measured})
    family = families().get(model.model_type)
    if family is None or not family.k_bias:
        return not_applicable(
            f"{model.family or model.name} has no bias on its keys", evidence=measured
        )
    settings = files.settings.get(FILE)
    charts = tuple(_charts(quantised))
    if settings is None or settings.state == "missing":
        return passed(
            f"The folder has no {FILE}, so generation uses the normal cache",
            f"A script can still ask for a quantised one. {_words(quantised, None)}".strip(),
            evidence=measured,
            charts=charts,
        )
    if settings.value is None:
        return blocked(f"{FILE} is {settings.state}: {settings.reason}")
    asked = settings.value.get("cache_implementation")
    config = settings.value.get("cache_config")
    stated = config if isinstance(config, dict) else {}
    bits, backend = stated.get("nbits", DEFAULT_BITS), stated.get("backend", DEFAULT_BACKEND)
    evidence: dict[str, Any] = {
        "cache_implementation": asked,
        "cache_config": config,
        "k_proj_biases": files.tensors.k_proj_biases.count,
        **measured,
    }
    if asked != QUANTIZED:
        return passed(
            f"{FILE} asks for no quantised cache",
            f"A script can still ask for one. {_words(quantised, None)}".strip(),
            evidence=evidence,
            charts=charts,
        )
    refused = _refusal(quantised, bits, backend)
    if refused:
        return failed(
            f"{FILE} asks for a KV cache in {bits} bits, which does not run here",
            f"A small model of the architecture was generated with it: {refused}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[Fix.advise(f"Remove cache_implementation and cache_config from {FILE}.")],
        )
    row = _row(quantised, bits, backend)
    harmful = _harms(quantised, row)
    if not isinstance(bits, int) or (bits > DESTROYED_UP_TO and not harmful):
        return inconclusive(
            f"{FILE} asks for a quantised cache of {bits} bits; harm is known from 4, and no "
            "measurement shows that more are enough for a trained model",
            evidence=evidence,
        )
    verb = "destroys" if bits <= DESTROYED_UP_TO else "damages"
    return failed(
        f"{FILE} asks for a KV cache in {bits} bits, which {verb} the text of {model.family}",
        "The keys have a few huge constant components from k_proj.bias. Groups of values share "
        "one scale, which follows the giants; the small components that carry the content round "
        f"to nothing. {_words(quantised, row)}".strip(),
        confidence=_confidence(row, harmful),
        evidence=evidence,
        fixes=[
            Fix.advise(
                f"Remove cache_implementation and cache_config from {FILE}. If the cache really "
                'is too large, "offloaded" keeps it in host memory, exact but slower.',
                safety=Safety.SAFE,
            )
        ],
        charts=charts,
    )


def _row(facts: QuantisedFacts | None, bits: Any, backend: Any) -> QuantisedRow | None:
    """The run of what is asked for; where the package is not installed, the simulation of the
    numbers of bits for which it gives what quanto gives."""
    if facts is None or not isinstance(bits, int):
        return None
    own = facts.of(bits, backend=str(backend).lower())
    return own or (facts.of(bits) if bits <= DESTROYED_UP_TO else None)


def _refusal(facts: QuantisedFacts | None, bits: Any, backend: Any) -> str:
    """The error of what is asked for, where the package is installed and it was tried."""
    if facts is None:
        return ""
    wanted = f"{str(backend).lower()} {bits} bits "
    return next((why for name, why in facts.missing.items() if name.startswith(wanted)), "")


def _harms(facts: QuantisedFacts | None, row: QuantisedRow | None) -> bool:
    if facts is None or row is None or not row.key_bias_norm:
        return False
    if row.error is None:
        return True
    four = facts.of(DEFAULT_BITS, backend=row.backend)
    harmless = facts.without_bias(four) if four is not None else None
    if harmless is None or harmless.error is None:
        return False
    return row.error >= HARMFUL * harmless.error


def _confidence(row: QuantisedRow | None, harmful: bool) -> Confidence:
    """Measured with the backend itself; a simulation shows the mechanism, not the package."""
    if row is None or not harmful:
        return Confidence.REPORTED
    return Confidence.DERIVED if row.backend == SIMULATED else Confidence.MEASURED


def _words(facts: QuantisedFacts | None, row: QuantisedRow | None) -> str:
    """What was measured, in one sentence; empty when nothing was."""
    if facts is None:
        return ""
    row = row or facts.of(DEFAULT_BITS)
    if row is None or row.error is None or not row.key_bias_norm:
        return ""
    how = "simulated by the doctor" if row.backend == SIMULATED else f"run with {row.backend}"
    plain = facts.without_bias(row)
    control = (
        f" and {plain.error:.0%} without it"
        if plain is not None and plain.error is not None
        else ""
    )
    same = "" if row.top1 is None else f", {1 - row.top1:.0%} of the next tokens change"
    return (
        f"A {row.bits}-bit cache ({how}, {row.grouping}) moves the logits of a small model by "
        f"{row.error:.0%} with a planted key bias of norm {row.key_bias_norm:.0f}{control}{same}."
    )


def _charts(facts: QuantisedFacts | None) -> list[Chart]:
    if facts is None or not facts.rows:
        return []
    norms = sorted({row.key_bias_norm for row in facts.rows})
    series = tuple(
        Series(
            name="no key bias" if norm == 0 else f"key bias of norm {norm:.0f}",
            points=tuple(
                (f"{row.backend}, {row.bits} bits, {row.grouping}", row.error)
                for row in facts.rows
                if row.key_bias_norm == norm
            ),
            emphasis="normal" if norm == 0 else "bad",
        )
        for norm in norms
    )
    return [
        Chart(
            kind="bar",
            title="Error of a small model's next-token logits with a quantised KV cache",
            x="cache",
            y="relative L2 error against an exact cache",
            series=series,
        )
    ]


def _evidence(facts: QuantisedFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    if facts.reason:
        return {"not_measured": facts.reason}
    return {
        "measured": [
            {
                "cache": f"{row.backend}, {row.bits} bits, {row.grouping}",
                "key_bias_norm": row.key_bias_norm,
                "error": row.error,
                "top1": row.top1,
                "kl": row.kl,
                "bytes_per_token": row.bytes_per_token,
            }
            for row in facts.rows
        ],
        "exact_bytes_per_token": facts.exact_bytes_per_token,
        "did_not_run": facts.missing,
        "not_checked": facts.not_checked,
    }
