"""kv-cache.cache-disabled: does generation recompute everything for every token?"""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_checks.kv_cache.behaviour_facts import CacheFacts
from qvl_checks.kv_cache.speed_facts import CacheSpeedFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Chart, Confidence, Fix, Series
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, passed


@check("kv-cache.cache-disabled")
def cache_disabled(cache: CacheFacts, speed: CacheSpeedFacts | None) -> Judgement:
    """Fails when generate, under the checkpoint's own settings, was seen to recompute."""
    if cache.reason:
        return inconclusive(f"Not measured: {cache.reason}")
    if cache.refused:
        return failed(
            f"transformers {cache.transformers} refuses {' and '.join(cache.turned_off_by)}",
            f"The model cannot be loaded with this value: {cache.refused}",
            confidence=Confidence.MEASURED,
            evidence={"settings": cache.settings, "transformers": cache.transformers},
            fixes=[Fix.advise('Set "use_cache": true there; null is neither on nor off.')],
        )
    evidence = {**_evidence(cache), "speed": _speed(speed)}
    if cache.default_effect in ("wrong", "raised"):
        return blocked(
            "Generation does not give the logits of a fresh pass: see kv-cache.cache-broken",
            evidence=evidence,
        )
    if any(step.fed is None for step in cache.default) or len(cache.default) < 2:
        return inconclusive("The steps of generate could not be observed")
    culprits = cache.turned_off_by
    fed = [step.fed for step in cache.default]
    if cache.default_effect == "recomputed":
        return failed(
            "Generation recomputes the whole sequence for every token",
            f"Tokens processed per step: {_list(fed)} instead of {fed[0]}, 1, 1, ... "
            + (
                f"It is turned off by the checkpoint: {' and '.join(culprits)}."
                if culprits
                else "No setting of the checkpoint asks for it, so it is this transformers."
            )
            + _speed_words(speed),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=_fixes(cache, culprits),
            charts=(_chart(cache),),
        )
    if not cache.forward_keeps_cache:
        return failed(
            "A plain forward returns no cache, so a hand-written loop recomputes everything",
            "generate() still uses the cache, but model(...) does not"
            + (f": {' and '.join(culprits)}." if culprits else "."),
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=_fixes(cache, culprits),
        )
    return passed(
        "Generation uses the KV cache: one token is processed per step",
        f"Tokens processed per step: {_list(fed)}. What would turn it off here is in the evidence."
        + _speed_words(speed),
        confidence=Confidence.MEASURED,
        evidence=evidence,
        charts=(_chart(cache),),
    )


def _speed(speed: CacheSpeedFacts | None) -> dict[str, Any] | None:
    if speed is None or speed.ratio is None:
        return None
    return {**msgspec.structs.asdict(speed), "times_slower_without": round(speed.ratio, 2)}


def _speed_words(speed: CacheSpeedFacts | None) -> str:
    if speed is None or speed.ratio is None:
        return ""
    what = "a small model on the CPU" if speed.small else f"this size on {speed.device_name}"
    return (
        f" Without the cache {what} took {speed.ratio:.1f} times as long for {speed.new_tokens} "
        f"tokens after a prompt of {speed.prompt_tokens}."
    )


def _fixes(cache: CacheFacts, culprits: tuple[str, ...]) -> list[Fix]:
    works = cache.restored_effect == "cached"
    fixes = [
        Fix.edit(
            cache.restore,
            summary="Turn the cache on in the loaded model, whoever turned it off",
            verification=(
                f"executed with transformers {cache.transformers} on a small model with every "
                "switch off: afterwards one token is processed per step, with the right logits"
            )
            if works
            else "",
        )
    ]
    if culprits:
        files = sorted({culprit.partition(":")[0] for culprit in culprits})
        fixes.append(Fix.advise(f'Set "use_cache": true in {" and ".join(files)}.'))
    return fixes


def _evidence(cache: CacheFacts) -> dict[str, Any]:
    times = [step.seconds for step in cache.default]
    return {
        "tokens_per_step": [step.fed for step in cache.default],
        "cache_length_after_step": [step.length for step in cache.default],
        "last_step_to_second_step_time": round(times[-1] / times[1], 2)
        if len(times) > 2 and times[1]
        else None,
        "settings": cache.settings,
        "forward_keeps_cache": cache.forward_keeps_cache,
        "what_turns_it_off_here": {
            switch.name: {
                "generate": switch.effect,
                "forward_keeps_cache": switch.forward_keeps_cache,
                **({"reason": switch.reason} if switch.reason else {}),
            }
            for switch in cache.switches
        },
        "transformers": cache.transformers,
    }


def _chart(cache: CacheFacts) -> Chart:
    def series(name: str, fed: list[int | None]) -> Series:
        points = tuple(
            (float(step), None if count is None else float(count))
            for step, count in enumerate(fed, start=1)
        )
        return Series(name=name, points=points)

    off = [switch for switch in cache.switches if switch.effect == "recomputed"]
    return Chart(
        kind="line",
        title="Tokens that the language model processes per step of generate",
        x="step",
        y="tokens",
        series=(
            series("these settings", [step.fed for step in cache.default]),
            *(series(switch.name, list(switch.fed)) for switch in off[:1]),
        ),
    )


def _list(fed: list[int | None]) -> str:
    return ", ".join(str(count) for count in fed)
