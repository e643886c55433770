"""When the named model, run layer by layer, counts as carried off by an implementation."""

from __future__ import annotations

from typing import Any

from qvl_checks.attention.checkpoint_run_facts import (
    Answers,
    CheckpointRunFacts,
    LayerDrift,
    Nearness,
    PromptRun,
)
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_verdict import FACTOR, drifts

SOUND_LOCAL = 0.005
"""Error of one layer's attention that sound kernels stay below, for stacks without sdpa."""
FEWER = 0.02
"""Share of next tokens that must change, beyond what sound implementations change."""
FLOAT32 = "float32"


def ran(facts: CheckpointRunFacts | None) -> CheckpointRunFacts | None:
    """The facts, if the checkpoint's own weights were run."""
    if facts is None or facts.status != "ran" or facts.weights != "checkpoint":
        return None
    return facts


def prompts(facts: CheckpointRunFacts, name: str) -> tuple[PromptRun, ...]:
    """Those that this implementation ran."""
    return tuple(prompt for prompt in facts.prompts if name in prompt.implementations)


def drifting(prompt: PromptRun, name: str) -> list[LayerDrift]:
    """The layers whose own attention is off, given the same input, or not finite."""
    found = []
    for layer in prompt.layers:
        if name not in layer.local:
            continue
        sound = layer.local.get("sdpa") if name != "sdpa" else None
        if drifts(layer.local[name], SOUND_LOCAL if sound is None else sound):
            found.append(layer)
    return found


def noise(prompt: PromptRun) -> Nearness | None:
    """How far two sound implementations are from each other: sdpa from float32 logits."""
    answers = prompt.implementations.get("sdpa")
    return answers.from_fp32_logits if answers else None


def harmed(prompt: PromptRun, name: str) -> bool:
    """Whether the next tokens change more than between sound implementations."""
    answers = prompt.implementations[name]
    if answers.nonfinite_logits:
        return True
    near, floor = answers.from_fp32_logits, noise(prompt)
    if near is None or near.top1 is None or near.kl is None:
        return False
    if floor is None or floor.top1 is None or floor.kl is None or name == "sdpa":
        return near.top1 < 1 - 5 * FEWER
    return near.top1 < floor.top1 - FEWER and near.kl > FACTOR * floor.kl


def worst_prompt(facts: CheckpointRunFacts, name: str) -> PromptRun | None:
    """The prompt on which it changes most next tokens."""

    def agreement(prompt: PromptRun) -> float:
        near = prompt.implementations[name].from_fp32_logits
        return -1.0 if near is None or near.top1 is None else near.top1

    return min(prompts(facts, name), key=agreement, default=None)


def spoiled_reference(prompt: PromptRun) -> Answers | None:
    """The answers with float32 logits, if even these are not finite."""
    answers = prompt.implementations.get(CURE)
    return answers if answers is not None and answers.nonfinite_logits else None


def evidence(facts: CheckpointRunFacts) -> dict[str, Any]:
    """The numbers for a report: the run, and ``NAME prompt`` for each prompt."""
    return {
        "checkpoint": {
            "device": facts.device_name or facts.device,
            "weights": facts.weights,
            "selected": facts.selected,
            "seconds": facts.seconds,
            "not_run": facts.missing,
        },
        **{f"{prompt.name} prompt": _prompt(prompt, facts.selected) for prompt in facts.prompts},
    }


def _prompt(prompt: PromptRun, selected: str) -> dict[str, Any]:
    if prompt.reason:
        return {"tokens": prompt.tokens, "not_run": prompt.reason}
    layers = prompt.layers
    offsets = [layer for layer in layers if layer.offset is not None]
    largest = max(offsets, key=lambda layer: abs(layer.offset or 0.0), default=None)
    return {
        "tokens": prompt.tokens,
        "input": prompt.source,
        **({"input_reason": prompt.source_reason} if prompt.source_reason else {}),
        "largest_offset": largest.offset if largest else None,
        "in_layer": largest.layer if largest else None,
        "largest_unscaled_product": max(
            (layer.largest_product for layer in layers if layer.largest_product is not None),
            default=None,
        ),
        "layers_that_drift": {
            name: [layer.layer for layer in drifting(prompt, name)]
            for name in dict.fromkeys(("eager", selected, "sdpa"))
            if any(name in layer.local for layer in layers)
        },
        "next_tokens": [
            _row(name, answers)
            for name, answers in prompt.implementations.items()
            if name != FLOAT32
        ],
        "not_run": prompt.missing,
    }


def _row(name: str, answers: Answers) -> dict[str, Any]:
    """One line of a table: agreement with either reference, and where NaN began."""
    logits, exact = answers.from_fp32_logits or Nearness(), answers.from_float32 or Nearness()
    first = answers.first_nonfinite
    return {
        "implementation": name,
        "same_as_fp32_logits": logits.top1,
        "kl": logits.kl,
        "same_as_float32": exact.top1,
        "kl_float32": exact.kl,
        "not_finite_from": f"layer {first.layer}, {first.place}" if first else None,
        "next_token": answers.next_token,
    }
